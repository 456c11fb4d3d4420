#include "object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

namespace tocsin {

namespace {

constexpr size_t kLogBytes = 16 * 1024;
constexpr uint64_t kWakeBacklog = 1024 * 1024;

// libbpf has one print function for all threads, so each thread that loads says where its words go.
thread_local std::string *log_of_thread = nullptr;

int KeepLog(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (!log_of_thread || level == LIBBPF_DEBUG)
		return 0;
	char line[4096];
	int length = vsnprintf(line, sizeof(line), format, arguments);
	if (length > 0)
		log_of_thread->append(line, std::min<size_t>(static_cast<size_t>(length), sizeof(line) - 1));
	if (log_of_thread->size() > 2 * kLogBytes)
		log_of_thread->erase(0, log_of_thread->size() - kLogBytes);
	return length;
}

class LogOfThread {
public:
	explicit LogOfThread(std::string *log)
	{
		libbpf_set_print(KeepLog);
		log_of_thread = log;
	}
	~LogOfThread() { log_of_thread = nullptr; }
};

struct KernelTypes {
	struct btf *btf = btf__load_vmlinux_btf();
	~KernelTypes() { btf__free(btf); }

	// Arguments of a BTF raw tracepoint (the context pointer not counted); nothing when this kernel has no such tracepoint.
	std::optional<int> TracepointArguments(const std::string &name) const
	{
		int id = btf__find_by_name_kind(btf, ("btf_trace_" + name).c_str(), BTF_KIND_TYPEDEF);
		if (id < 0)
			return std::nullopt;
		const struct btf_type *pointer = btf__type_by_id(btf, btf__type_by_id(btf, id)->type);
		const struct btf_type *prototype = pointer ? btf__type_by_id(btf, pointer->type) : nullptr;
		if (!prototype || !btf_is_func_proto(prototype))
			return std::nullopt;
		return btf_vlen(prototype) - 1;
	}

	// Value of `<controller>_cgrp_id`: the controller's index in css_set.subsys.
	std::optional<uint32_t> CgroupSubsystem(const std::string &controller) const
	{
		int id = btf__find_by_name_kind(btf, "cgroup_subsys_id", BTF_KIND_ENUM);
		if (id < 0)
			return std::nullopt;
		const struct btf_type *type = btf__type_by_id(btf, id);
		const struct btf_enum *values = btf_enum(type);
		for (int i = 0; i < btf_vlen(type); i++) {
			if (controller + "_cgrp_id" == btf__name_by_offset(btf, values[i].name_off))
				return static_cast<uint32_t>(values[i].val);
		}
		return std::nullopt;
	}
};

// Sets a `const volatile` of the object before it is loaded; absent ones are left alone.
template <typename T> void SetConstant(bpf_object *object, const char *name, T value)
{
	bpf_map *map = nullptr;
	size_t bytes = 0;
	bpf_object__for_each_map(map, object)
	{
		if (std::string_view(bpf_map__name(map)).find(".rodata") != std::string_view::npos)
			break;
	}
	auto *memory = map ? static_cast<uint8_t *>(const_cast<void *>(bpf_map__initial_value(map, &bytes))) : nullptr;
	struct btf *btf = bpf_object__btf(object);
	int section = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -1;
	if (!memory || section < 0)
		return;
	const struct btf_type *type = btf__type_by_id(btf, section);
	const struct btf_var_secinfo *variables = btf_var_secinfos(type);
	for (int i = 0; i < btf_vlen(type); i++) {
		const struct btf_type *variable = btf__type_by_id(btf, variables[i].type);
		if (strcmp(btf__name_by_offset(btf, variable->name_off), name) == 0 && variables[i].size == sizeof(T) &&
		    variables[i].offset + sizeof(T) <= bytes)
			memcpy(memory + variables[i].offset, &value, sizeof(T));
	}
}

// A program is optional when its section says so: `?tp_btf/...` is not loaded unless asked for.
bool IsOptional(const bpf_program *program)
{
	return bpf_program__section_name(program)[0] == '?';
}

// Handlers of one record kind each: reached by a tail call from the dispatcher, never attached.
struct Family {
	const char *program;
	uint32_t kind;
};
constexpr Family kFamilies[] = {
	{"open_exit", EVENT_OPEN},     {"path_exit", EVENT_PATH}, {"paths_exit", EVENT_PATHS},
	{"socket_exit", EVENT_SOCKET}, {"call_exit", EVENT_CALL}, {"exec_exit", EVENT_EXECFAIL},
};

bool IsFamily(const bpf_program *program)
{
	std::string_view name = bpf_program__name(program);
	return std::any_of(std::begin(kFamilies), std::end(kFamilies), [&](const Family &family) { return name == family.program; });
}

std::string TracepointOf(const bpf_program *program)
{
	std::string_view section = bpf_program__section_name(program);
	size_t slash = section.find('/');
	return slash == std::string_view::npos ? "" : std::string(section.substr(slash + 1));
}

} // namespace

std::unique_ptr<Object> Object::Load(const LoadOptions &options, Failure *failure)
{
	std::unique_ptr<Object> object(new Object());
	LogOfThread log(&failure->log);

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	if (!object->Open(options, failure))
		return nullptr;
	if (int error = bpf_object__load(object->object_); error) {
		*failure = {"the kernel refused to load the probe", -error, failure->log};
		return nullptr;
	}
	object->counters_ = bpf_map__fd(object->Map("counters"));
	object->muted_ = bpf_map__fd(object->Map("muted"));
	object->ring_ = Ring::Map(bpf_map__fd(object->Map("ring")), options.ring_bytes);
	if (!object->ring_) {
		*failure = {"the ring buffer could not be mapped", errno, failure->log};
		return nullptr;
	}
	return object->Attach(failure) ? std::move(object) : nullptr;
}

Object::~Object()
{
	for (bpf_link *link : links_)
		bpf_link__destroy(link);
	if (object_)
		bpf_object__close(object_);
}

bpf_map *Object::Map(const char *name) const
{
	return bpf_object__find_map_by_name(object_, name);
}

bool Object::Open(const LoadOptions &options, Failure *failure)
{
	KernelTypes kernel;
	if (!kernel.btf) {
		*failure = {"the kernel has no BTF", ENOENT, failure->log};
		return false;
	}
	object_ = bpf_object__open_file(options.object_path.c_str(), nullptr);
	if (!object_) {
		*failure = {"the probe " + options.object_path + " could not be opened", errno, failure->log};
		return false;
	}
	for (const char *name : {"ring", "slots", "counters", "muted", "families", ".data.config"}) {
		if (!Map(name)) {
			*failure = {"the probe has no map '" + std::string(name) + "'", EINVAL, failure->log};
			return false;
		}
	}
	bpf_program *program;
	bpf_object__for_each_program(program, object_)
	{
		if (!IsOptional(program))
			continue;
		bool exists = kernel.TracepointArguments(TracepointOf(program)).has_value();
		bpf_program__set_autoload(program, exists);
		if (!exists)
			skipped_.push_back(bpf_program__name(program));
	}
	bpf_map__set_max_entries(Map("ring"), options.ring_bytes);
	bpf_map__set_max_entries(Map("slots"), options.cpus * 2);
	SetConstant<uint32_t>(object_, "slot_pairs", options.cpus);
	SetConstant<uint32_t>(object_, "cgroup_hierarchy", options.cgroup_hierarchy);
	SetConstant<uint8_t>(object_, "exit_tells_group_dead", kernel.TracepointArguments("sched_process_exit").value_or(0) >= 2);
	if (!options.cgroup_controller.empty()) {
		auto subsystem = kernel.CgroupSubsystem(options.cgroup_controller);
		if (!subsystem) {
			*failure = {"the kernel has no cgroup controller '" + options.cgroup_controller + "'", EINVAL, failure->log};
			return false;
		}
		SetConstant<uint32_t>(object_, "cgroup_subsystem", *subsystem);
	}

	size_t bytes = 0;
	void *config = const_cast<void *>(bpf_map__initial_value(Map(".data.config"), &bytes));
	if (!config || bytes < sizeof(probe_config)) {
		*failure = {"the probe's configuration has another size than the addon's", EINVAL, failure->log};
		return false;
	}
	config_ = static_cast<volatile probe_config *>(config);
	uint64_t ring = options.ring_bytes;
	config_->admission[0] = ~uint64_t{0};
	config_->admission[1] = ring / 16 * 15;
	config_->admission[2] = ring / 8 * 7;
	config_->admission[3] = ring / 4 * 3;
	config_->wake_backlog = std::min(kWakeBacklog, ring / 4);
	return true;
}

bool Object::Attach(Failure *failure)
{
	int families = bpf_map__fd(Map("families"));
	for (const Family &family : kFamilies) {
		bpf_program *handler = bpf_object__find_program_by_name(object_, family.program);
		int fd = handler ? bpf_program__fd(handler) : -1;
		if (fd < 0 || bpf_map_update_elem(families, &family.kind, &fd, BPF_ANY)) {
			*failure = {"the handler " + std::string(family.program) + " is missing", errno, failure->log};
			return false;
		}
	}
	bpf_program *program;
	bpf_object__for_each_program(program, object_)
	{
		if (!bpf_program__autoload(program) || IsFamily(program))
			continue;
		bpf_link *link = bpf_program__attach(program);
		if (link) {
			links_.push_back(link);
		} else if (IsOptional(program)) {
			skipped_.push_back(bpf_program__name(program));
		} else {
			*failure = {"the program " + std::string(bpf_program__name(program)) + " could not be attached", errno, failure->log};
			return false;
		}
	}
	return true;
}

int Object::Mute(uint32_t tgid)
{
	uint8_t value = 1;
	if (bpf_map_update_elem(muted_, &tgid, &value, BPF_ANY))
		return errno;
	config_->muted = 1;
	return 0;
}

bool Object::Counters(uint64_t out[KINDS][CAUSES]) const
{
	int cpus = libbpf_num_possible_cpus();
	if (cpus <= 0)
		return false;
	std::vector<probe_counters> all(static_cast<size_t>(cpus));
	uint32_t zero = 0;
	if (bpf_map_lookup_elem(counters_, &zero, all.data()))
		return false;
	memset(out, 0, sizeof(uint64_t) * KINDS * CAUSES);
	for (const probe_counters &cpu : all)
		for (int kind = 0; kind < KINDS; kind++)
			for (int cause = 0; cause < CAUSES; cause++)
				out[kind][cause] += cpu.count[kind][cause];
	return true;
}

} // namespace tocsin
