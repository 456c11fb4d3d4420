// SPDX-License-Identifier: Apache-2.0
// The probe in the kernel: the loaded object, its links, its live configuration.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "control.h"
#include "failure.h"
#include "ring.h"

struct bpf_object;
struct bpf_link;
struct btf;

namespace tocsin {

class LogCapture;

// Resolved by the TypeScript facade, which also checks them.
struct KernelOptions {
  std::vector<std::string> objects;  // for ever older kernels; the first that this one can run is loaded
  uint32_t ring_bytes = 0;
  uint32_t slot_pairs = 0;
  std::string cgroup_controller;  // empty for the unified hierarchy
  uint32_t cgroup_hierarchy = 0;
};

// An optional program that does not run here.
struct SkippedProgram {
  std::string name;
  std::string reason;
  std::string log;  // the last lines of libbpf and the verifier, empty when it was not tried
};

class Kernel {
 public:
  Kernel() = default;
  ~Kernel() { close(); }
  Kernel(const Kernel &) = delete;
  Kernel &operator=(const Kernel &) = delete;

  Outcome open(const KernelOptions &options);
  void close();

  Ring &ring() { return *ring_; }
  std::shared_ptr<Ring> shared_ring() const { return ring_; }
  const std::vector<SkippedProgram> &skipped() const { return skipped_; }
  // Both tables have SYSCALL_LIMIT elements, the classes two for each.
  void watch(const std::vector<uint8_t> &table, const std::vector<uint16_t> &ia32,
             const std::vector<uint32_t> &open_classes, bool environment);
  // Whether the first record in an empty ring makes its descriptor readable; others never do.
  void tell_first(bool tell);
  int ring_descriptor() const;
  Outcome mute(uint32_t tgid);
  // The generation of the key is filled in here.
  Outcome rule_out(verdict_key key, const verdict &verdict);
  // A cgroup that is in no container.
  void mark_host(uint64_t cgroup);
  // Sums over all cpus.
  Outcome counters(probe_counters &sums) const;
  // Whose records were lost since the last time, by process.
  std::vector<std::pair<uint32_t, loser>> take_losers();

 private:
  Outcome prepare(const KernelOptions &options);
  Outcome load(const KernelOptions &options, const btf *kernel, LogCapture &log);
  Outcome open_object(const KernelOptions &options, const btf *kernel);
  Outcome set_constants(const KernelOptions &options, const btf *kernel);
  Outcome set_constant(const btf *types, const char *name, uint32_t value);
  void choose_programs(const btf *kernel);
  bool is_skipped(const std::string &name) const;
  bool skip_refused(const std::string &log);
  Outcome map_config(const KernelOptions &options);
  Outcome attach(const LogCapture &log);

  bpf_object *object_ = nullptr;
  std::vector<bpf_link *> links_;
  std::vector<SkippedProgram> skipped_;
  std::vector<std::string> optional_;
  std::shared_ptr<Ring> ring_ = std::make_shared<Ring>();
  probe_config *config_ = nullptr;
  size_t config_bytes_ = 0;
};

}  // namespace tocsin
