// The loaded BPF object: programs, maps and their configuration. Knows libbpf, knows nothing of Node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../include/control.h"
#include "ring.h"

struct bpf_object;
struct bpf_link;
struct bpf_map;

namespace tocsin {

struct LoadOptions {
	std::string object_path;
	uint32_t ring_bytes = 0;
	// Cpus that get scratch slots of their own.
	uint32_t cpus = 1;
	// Controller whose hierarchy tells a task's cgroup (`pids`); empty for the unified hierarchy.
	std::string cgroup_controller;
	// Id of that hierarchy as /proc/cgroups tells it, 0 for the unified one.
	uint32_t cgroup_hierarchy = 0;
};

// What failed, in words for people, with the end of libbpf's log (the verifier's words among them).
struct Failure {
	std::string what;
	int error = 0;
	std::string log;
};

class Object {
public:
	// Opens, configures, loads and attaches. Null with `failure` filled when a required program is refused.
	static std::unique_ptr<Object> Load(const LoadOptions &options, Failure *failure);
	~Object();
	Object(const Object &) = delete;
	Object &operator=(const Object &) = delete;

	const std::shared_ptr<Ring> &ring() const { return ring_; }
	// Shared with the running programs.
	volatile probe_config *config() const { return config_; }
	// 0 or an errno.
	int Mute(uint32_t tgid);
	// Sums over the cpus, KINDS rows of CAUSES; false when the kernel refuses.
	bool Counters(uint64_t out[KINDS][CAUSES]) const;
	// Optional programs that are not on this kernel, or were refused.
	const std::vector<std::string> &skipped() const { return skipped_; }

private:
	Object() = default;
	bool Open(const LoadOptions &options, Failure *failure);
	bool Attach(Failure *failure);
	bpf_map *Map(const char *name) const;

	bpf_object *object_ = nullptr;
	std::vector<bpf_link *> links_;
	std::vector<std::string> skipped_;
	std::shared_ptr<Ring> ring_;
	volatile probe_config *config_ = nullptr;
	int counters_ = -1;
	int muted_ = -1;
};

} // namespace tocsin
