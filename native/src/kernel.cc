// SPDX-License-Identifier: Apache-2.0
#include "kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "log.h"

namespace tocsin {
namespace {

struct FreeTypes {
  void operator()(btf *types) const { btf__free(types); }
};
using Types = std::unique_ptr<btf, FreeTypes>;

// Handlers the dispatcher jumps to. They sit on the same tracepoint only to have the same shape.
constexpr std::pair<const char *, uint32_t> kFamilies[] = {
    {"open_exit", EVENT_OPEN},     {"path_exit", EVENT_PATH}, {"paths_exit", EVENT_PATHS},
    {"socket_exit", EVENT_SOCKET}, {"call_exit", EVENT_CALL}, {"exec_exit", EVENT_EXECFAIL},
};

bool is_family(const char *name) {
  return std::any_of(std::begin(kFamilies), std::end(kFamilies),
                     [name](const auto &family) { return strcmp(family.first, name) == 0; });
}

Types running_kernel_types() { return Types(btf__load_vmlinux_btf()); }

// Arguments of a raw tracepoint, its private first one not counted; -1 when this kernel does not have it.
int tracepoint_arguments(const btf *types, const std::string &name) {
  const int id = btf__find_by_name_kind(types, ("btf_trace_" + name).c_str(), BTF_KIND_TYPEDEF);
  if (id <= 0) return -1;
  const btf_type *pointer = btf__type_by_id(types, btf__type_by_id(types, id)->type);
  const btf_type *function = btf__type_by_id(types, pointer->type);
  return function == nullptr || !btf_is_func_proto(function) ? -1 : btf_vlen(function) - 1;
}

// Value of one name of an enum, -1 when the kernel has no such name.
int enum_value(const btf *types, const char *type, const std::string &name) {
  const int id = btf__find_by_name_kind(types, type, BTF_KIND_ENUM);
  if (id <= 0) return -1;
  const btf_type *found = btf__type_by_id(types, id);
  for (int index = 0; index < btf_vlen(found); index++) {
    const struct btf_enum &entry = btf_enum(found)[index];
    if (name == btf__name_by_offset(types, entry.name_off)) return entry.val;
  }
  return -1;
}

// Which of the objects the kernel can run, those for newer kernels before: the first casts pointers (6.2), the second takes the
// current task as a typed pointer (5.11), the third only calls helpers.
size_t newest_object(const btf *kernel) {
  if (btf__find_by_name_kind(kernel, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0) return 0;
  return enum_value(kernel, "bpf_func_id", "BPF_FUNC_get_current_task_btf") > 0 ? 1 : 2;
}

}  // namespace

Failure failed(const char *code, const std::string &step, int error) {
  return {code, step + ": " + strerror(error)};
}

Outcome Kernel::open(const KernelOptions &options) {
  Outcome outcome = prepare(options);
  if (outcome) close();
  return outcome;
}

Outcome Kernel::prepare(const KernelOptions &options) {
  LogCapture log;
  const Types kernel = running_kernel_types();
  if (!kernel) return failed("PROBE_BTF", "the kernel's type information cannot be read", errno);
  Outcome outcome = load(options, kernel.get(), log);
  if (!outcome)
    outcome = ring_->map(bpf_map__fd(bpf_object__find_map_by_name(object_, "ring")),
                         options.ring_bytes);
  if (!outcome) outcome = map_config(options);
  if (!outcome) outcome = attach(log);
  if (outcome) outcome->message += "\n" + log.tail();
  return outcome;
}

// A kernel that refuses an optional program gets the object again without it: one refusal undoes the whole load.
Outcome Kernel::load(const KernelOptions &options, const btf *kernel, LogCapture &log) {
  for (;;) {
    if (Outcome outcome = open_object(options, kernel)) return outcome;
    const int error = bpf_object__load(object_);
    if (error == 0) return std::nullopt;
    if (!skip_refused(log.text())) return failed("PROBE_LOAD", "the kernel refused the probe", -error);
    log.clear();
    bpf_object__close(object_);
    object_ = nullptr;
  }
}

Outcome Kernel::open_object(const KernelOptions &options, const btf *kernel) {
  const std::string &path =
      options.objects[std::min(newest_object(kernel), options.objects.size() - 1)];
  object_ = bpf_object__open_file(path.c_str(), nullptr);
  if (object_ == nullptr)
    return failed("PROBE_OBJECT", "cannot open " + path + " (is it built?)", errno);
  for (const char *name : {"ring", "slots", "counters", "muted", "verdicts", "host_cgroups",
                           "losers", "families", ".data.config"})
    if (bpf_object__find_map_by_name(object_, name) == nullptr)
      return Failure{"PROBE_OBJECT", std::string("the probe object has no map ") + name};
  bpf_map__set_max_entries(bpf_object__find_map_by_name(object_, "ring"), options.ring_bytes);
  bpf_map__set_max_entries(bpf_object__find_map_by_name(object_, "slots"), options.slot_pairs * 2);
  if (Outcome outcome = set_constants(options, kernel)) return outcome;
  choose_programs(kernel);
  return std::nullopt;
}

Outcome Kernel::set_constants(const KernelOptions &options, const btf *kernel) {
  const btf *types = bpf_object__btf(object_);
  uint32_t subsystem = ~0u;
  if (!options.cgroup_controller.empty()) {
    const int index = enum_value(kernel, "cgroup_subsys_id", options.cgroup_controller + "_cgrp_id");
    if (index < 0)
      return Failure{"PROBE_CGROUP",
                     "the kernel has no cgroup controller " + options.cgroup_controller};
    subsystem = static_cast<uint32_t>(index);
  }
  const bool group_dead = tracepoint_arguments(kernel, "sched_process_exit") > 1;
  if (Outcome outcome = set_constant(types, "slot_pairs", options.slot_pairs)) return outcome;
  if (Outcome outcome = set_constant(types, "cgroup_subsystem", subsystem)) return outcome;
  if (Outcome outcome = set_constant(types, "cgroup_hierarchy", options.cgroup_hierarchy))
    return outcome;
  const bool entry = tracepoint_arguments(kernel, "io_uring_complete") == 3;
  if (Outcome outcome = set_constant(types, "complete_tells_entry", entry ? 1 : 0)) return outcome;
  const auto page = static_cast<uint32_t>(sysconf(_SC_PAGESIZE) / 1024);
  if (Outcome outcome = set_constant(types, "page_kilobytes", page)) return outcome;
  return set_constant(types, "exit_tells_group_dead", group_dead ? 1 : 0);
}

// Programs that are not loaded unless asked for (SEC("?...")) are optional: they run where their tracepoint exists and
// the kernel takes them.
void Kernel::choose_programs(const btf *kernel) {
  optional_.clear();
  bpf_program *program = nullptr;
  bpf_object__for_each_program(program, object_) {
    const std::string section = bpf_program__section_name(program);
    const std::string name = bpf_program__name(program);
    if (bpf_program__autoload(program) || is_skipped(name)) continue;
    const std::string tracepoint = section.substr(section.find('/') + 1);
    if (tracepoint_arguments(kernel, tracepoint) < 0) {
      skipped_.push_back({name, "this kernel has no tracepoint " + tracepoint, ""});
      continue;
    }
    bpf_program__set_autoload(program, true);
    optional_.push_back(name);
  }
}

bool Kernel::is_skipped(const std::string &name) const {
  return std::any_of(skipped_.begin(), skipped_.end(),
                     [&name](const SkippedProgram &one) { return one.name == name; });
}

// Finds the optional program that libbpf complains of; false when the load failed for another reason.
bool Kernel::skip_refused(const std::string &log) {
  for (const std::string &name : optional_) {
    if (log.find("prog '" + name + "': ") == std::string::npos) continue;
    skipped_.push_back({name, "the kernel refused it", last_lines(log)});
    return true;
  }
  return false;
}

Outcome Kernel::set_constant(const btf *types, const char *name, uint32_t value) {
  size_t bytes = 0;
  bpf_map *map = bpf_object__find_map_by_name(object_, ".rodata");
  const auto *data =
      map ? static_cast<const uint8_t *>(bpf_map__initial_value(map, &bytes)) : nullptr;
  const int section = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
  if (data != nullptr && section > 0) {
    const btf_type *found = btf__type_by_id(types, section);
    for (int index = 0; index < btf_vlen(found); index++) {
      const btf_var_secinfo &entry = btf_var_secinfos(found)[index];
      const btf_type *variable = btf__type_by_id(types, entry.type);
      if (strcmp(btf__name_by_offset(types, variable->name_off), name) != 0) continue;
      if (entry.size > sizeof(value) || entry.offset + entry.size > bytes) break;
      std::vector<uint8_t> constants(data, data + bytes);
      memcpy(constants.data() + entry.offset, &value, entry.size);
      if (const int error = bpf_map__set_initial_value(map, constants.data(), bytes))
        return failed("PROBE_OBJECT", std::string("cannot set ") + name, -error);
      return std::nullopt;
    }
  }
  return Failure{"PROBE_OBJECT", std::string("the probe object has no constant ") + name};
}

Outcome Kernel::map_config(const KernelOptions &options) {
  const bpf_map *map = bpf_object__find_map_by_name(object_, ".data.config");
  if (map == nullptr || bpf_map__value_size(map) < sizeof(probe_config))
    return Failure{"PROBE_OBJECT", "the probe object has no configuration of the right size"};
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t bytes = (sizeof(probe_config) + page - 1) / page * page;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
  if (memory == MAP_FAILED)
    return failed("PROBE_CONFIG", "cannot map the probe's configuration", errno);
  config_ = static_cast<probe_config *>(memory);
  config_bytes_ = bytes;
  const uint64_t ring = options.ring_bytes;
  config_->admission[0] = ~uint64_t{0};
  config_->admission[1] = ring / 16 * 15;
  config_->admission[2] = ring / 8 * 7;
  config_->admission[3] = ring / 4 * 3;
  return std::nullopt;
}

Outcome Kernel::attach(const LogCapture &log) {
  const int families = bpf_map__fd(bpf_object__find_map_by_name(object_, "families"));
  for (const auto &[name, kind] : kFamilies) {
    const bpf_program *program = bpf_object__find_program_by_name(object_, name);
    if (program == nullptr) continue;
    const int descriptor = bpf_program__fd(program);
    if (bpf_map_update_elem(families, &kind, &descriptor, BPF_ANY) != 0)
      return failed("PROBE_ATTACH", std::string("cannot install ") + name, errno);
  }
  bpf_program *program = nullptr;
  bpf_object__for_each_program(program, object_) {
    const std::string name = bpf_program__name(program);
    if (is_family(name.c_str()) || !bpf_program__autoload(program)) continue;
    bpf_link *link = bpf_program__attach(program);
    const int error = errno;
    if (link != nullptr)
      links_.push_back(link);
    else if (std::find(optional_.begin(), optional_.end(), name) != optional_.end())
      skipped_.push_back({name, failed("", "it cannot be attached", error).message, log.tail()});
    else
      return failed("PROBE_ATTACH", "cannot attach " + name, error);
  }
  return std::nullopt;
}

void Kernel::close() {
  for (bpf_link *link : links_) bpf_link__destroy(link);
  links_.clear();
  if (config_ != nullptr) munmap(config_, config_bytes_);
  config_ = nullptr;
  ring_->unmap();
  if (object_ != nullptr) bpf_object__close(object_);
  object_ = nullptr;
}

// Widens everything to what the old and the new tables want before it narrows to the new: at every moment in between an
// event passes that either of them wants.
void Kernel::watch(const std::vector<uint8_t> &table, const std::vector<uint16_t> &ia32,
                   const std::vector<uint32_t> &open_classes, bool environment) {
  std::copy_n(ia32.begin(), SYSCALL_LIMIT, config_->ia32);
  __atomic_add_fetch(&config_->generation, 1, __ATOMIC_SEQ_CST);
  for (const bool widen : {true, false}) {
    const auto store = [widen](auto &place, auto wanted) {
      const auto value = widen ? static_cast<decltype(wanted)>(place | wanted) : wanted;
      __atomic_store_n(&place, value, __ATOMIC_SEQ_CST);
    };
    store(config_->environment, uint32_t{environment});
    for (size_t number = 0; number < SYSCALL_LIMIT; number++) {
      for (size_t failed = 0; failed < 2; failed++)
        store(config_->open_classes[number][failed], open_classes[number * 2 + failed]);
      store(config_->watch[number], table[number]);
    }
  }
}

void Kernel::tell_first(bool tell) {
  __atomic_store_n(&config_->wake_backlog, tell ? 1 : 0, __ATOMIC_SEQ_CST);
}

int Kernel::ring_descriptor() const {
  return bpf_map__fd(bpf_object__find_map_by_name(object_, "ring"));
}

Outcome Kernel::mute(uint32_t tgid) {
  const int descriptor = bpf_map__fd(bpf_object__find_map_by_name(object_, "muted"));
  const uint8_t yes = 1;
  if (bpf_map_update_elem(descriptor, &tgid, &yes, BPF_ANY) != 0)
    return failed("PROBE_MUTE", "cannot mute process " + std::to_string(tgid), errno);
  __atomic_fetch_or(&config_->muted, uint64_t{1} << (tgid & 63), __ATOMIC_RELEASE);
  return std::nullopt;
}

Outcome Kernel::rule_out(verdict_key key, const verdict &verdict) {
  const int descriptor = bpf_map__fd(bpf_object__find_map_by_name(object_, "verdicts"));
  key.generation = config_->generation;
  if (bpf_map_update_elem(descriptor, &key, &verdict, BPF_ANY) != 0)
    return failed("PROBE_VERDICT", "cannot keep a verdict", errno);
  __atomic_store_n(&config_->verdicts, 1, __ATOMIC_RELEASE);
  return std::nullopt;
}

void Kernel::mark_host(uint64_t cgroup) {
  const int descriptor = bpf_map__fd(bpf_object__find_map_by_name(object_, "host_cgroups"));
  const uint8_t yes = 1;
  // Where there is no room, more is told than need be.
  static_cast<void>(bpf_map_update_elem(descriptor, &cgroup, &yes, BPF_ANY));
}

Outcome Kernel::counters(probe_counters &sums) const {
  const int cpus = libbpf_num_possible_cpus();
  const int descriptor = bpf_map__fd(bpf_object__find_map_by_name(object_, "counters"));
  const uint32_t zero = 0;
  std::vector<probe_counters> all(static_cast<size_t>(std::max(cpus, 1)));
  if (cpus < 0 || bpf_map_lookup_elem(descriptor, &zero, all.data()) != 0)
    return failed("PROBE_COUNTERS", "cannot read the probe's counters", errno);
  sums = {};
  for (const probe_counters &one : all) {
    for (size_t kind = 0; kind < KINDS; kind++) {
      for (size_t cause = 0; cause < CAUSES; cause++)
        sums.count[kind][cause] += one.count[kind][cause];
      for (size_t reason = 0; reason < FILTERS; reason++)
        sums.filtered[kind][reason] += one.filtered[kind][reason];
    }
    for (size_t call = 0; call < SYSCALL_LIMIT; call++)
      for (size_t lost = 0; lost < 2; lost++) sums.calls[call][lost] += one.calls[call][lost];
  }
  return std::nullopt;
}

std::vector<std::pair<uint32_t, loser>> Kernel::take_losers() {
  const int descriptor = bpf_map__fd(bpf_object__find_map_by_name(object_, "losers"));
  std::vector<std::pair<uint32_t, loser>> taken;
  uint32_t tgid = 0;
  // Whoever fills the table while it is emptied is heard of the next time.
  while (taken.size() < LOSERS_MAX && bpf_map_get_next_key(descriptor, nullptr, &tgid) == 0) {
    loser one;
    if (bpf_map_lookup_elem(descriptor, &tgid, &one) == 0) taken.emplace_back(tgid, one);
    if (bpf_map_delete_elem(descriptor, &tgid) != 0) break;
  }
  return taken;
}

}  // namespace tocsin
