// SPDX-License-Identifier: Apache-2.0
// The boundary to JavaScript. Arguments come resolved and checked from lib/index.ts; types are checked once more here.
#include <napi.h>

#include <malloc.h>

#include <algorithm>
#include <cstring>

#include "kernel.h"
#include "waiter.h"

namespace tocsin {
namespace {

// One record longer than the limit still comes whole.
constexpr size_t kSpanLimit = 4 << 20;

Napi::Error error_of(Napi::Env env, const Failure &failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, failure.code));
  return error;
}

void throw_failure(Napi::Env env, const Failure &failure) {
  error_of(env, failure).ThrowAsJavaScriptException();
}

void throw_argument(Napi::Env env, const char *message) {
  throw_failure(env, {"PROBE_ARGUMENT", message});
}

template <typename Element>
std::vector<Element> elements(const Napi::Value &value, napi_typedarray_type type) {
  if (!value.IsTypedArray()) return {};
  const auto array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != type) return {};
  const auto *data = reinterpret_cast<const Element *>(
      static_cast<const uint8_t *>(array.ArrayBuffer().Data()) + array.ByteOffset());
  return std::vector<Element>(data, data + array.ElementLength());
}

class Probe : public Napi::ObjectWrap<Probe> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Probe",
                       {
                           StaticMethod<&Probe::open>("open"),
                           InstanceMethod<&Probe::scan>("scan"),
                           InstanceMethod<&Probe::advance>("advance"),
                           InstanceMethod<&Probe::wait>("wait"),
                           InstanceMethod<&Probe::backlog>("backlog"),
                           InstanceMethod<&Probe::watch>("watch"),
                           InstanceMethod<&Probe::mute>("mute"),
                           InstanceMethod<&Probe::rule_out>("ruleOut"),
                           InstanceMethod<&Probe::counters>("counters"),
                           InstanceMethod<&Probe::take_losers>("takeLosers"),
                           InstanceMethod<&Probe::close>("close"),
                           InstanceAccessor<&Probe::ring>("ring"),
                           InstanceAccessor<&Probe::skipped>("skipped"),
                       });
  }

  // What new Probe(...) and Probe.open(...) take: (object, ringBytes, slotPairs, cgroupController, cgroupHierarchy, copy).
  // False, and an exception, when it is something else.
  static bool read_options(const Napi::CallbackInfo &info, KernelOptions &options) {
    const Napi::Env env = info.Env();
    if (info.Length() < 6 || !info[0].IsArray() || !info[1].IsNumber() || !info[2].IsNumber() ||
        !info[3].IsString() || !info[4].IsNumber() || !info[5].IsBoolean()) {
      throw_argument(env, "wrong arguments for a new probe");
      return false;
    }
    const auto objects = info[0].As<Napi::Array>();
    for (uint32_t index = 0; index < objects.Length(); index++)
      options.objects.push_back(objects.Get(index).ToString().Utf8Value());
    options.ring_bytes = info[1].As<Napi::Number>().Uint32Value();
    options.slot_pairs = info[2].As<Napi::Number>().Uint32Value();
    options.cgroup_controller = info[3].As<Napi::String>().Utf8Value();
    options.cgroup_hierarchy = info[4].As<Napi::Number>().Uint32Value();
    const bool usable = options.slot_pairs != 0 && !options.objects.empty();
    if (!usable) throw_argument(env, "a probe needs an object and a pair of slots at least");
    return usable;
  }

  // With the options, or with what Opening has opened.
  explicit Probe(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Probe>(info) {
    const Napi::Env env = info.Env();
    if (info.Length() == 2 && info[0].IsExternal()) {
      kernel_ = std::move(*info[0].As<Napi::External<std::unique_ptr<Kernel>>>().Data());
      expose_ring(env, info[1].As<Napi::Boolean>().Value());
      return;
    }
    KernelOptions options;
    if (!read_options(info, options)) return;
    if (const Outcome outcome = kernel_->open(options)) {
      throw_failure(env, *outcome);
      return;
    }
    expose_ring(env, info[5].As<Napi::Boolean>().Value());
  }

 private:
  // One external ArrayBuffer over the ring's pages, or a buffer spans are copied to where those are refused.
  void expose_ring(Napi::Env env, bool copy) {
    napi_value buffer = nullptr;
    if (!copy) {
      auto *owner = new std::shared_ptr<Ring>(kernel_->shared_ring());
      const napi_status status = napi_create_external_arraybuffer(
          env, kernel_->ring().data(), kernel_->ring().readable(),
          [](napi_env, void *, void *hint) { delete static_cast<std::shared_ptr<Ring> *>(hint); },
          owner, &buffer);
      if (status != napi_ok) {
        delete owner;
        buffer = nullptr;
      }
    }
    external_ = buffer != nullptr;
    const auto exposed = external_ ? Napi::ArrayBuffer(env, buffer)
                                   : Napi::ArrayBuffer::New(env, kSpanLimit + kRecordRoom);
    buffer_ = Napi::Persistent(exposed);
  }

  bool is_open(Napi::Env env) {
    if (open_ && !buffer_.IsEmpty()) return true;
    throw_failure(env, {"PROBE_CLOSED", "the probe is closed"});
    return false;
  }

  Napi::Value ring(const Napi::CallbackInfo &info) {
    if (!is_open(info.Env())) return info.Env().Undefined();
    return buffer_.Value();
  }

  Napi::Value skipped(const Napi::CallbackInfo &info) {
    auto programs = Napi::Array::New(info.Env());
    for (const SkippedProgram &one : kernel_->skipped()) {
      auto program = Napi::Object::New(info.Env());
      program.Set("program", one.name);
      program.Set("reason", one.reason);
      program.Set("log", one.log);
      programs[programs.Length()] = program;
    }
    return programs;
  }

  Napi::Value scan(const Napi::CallbackInfo &info) {
    const Napi::Env env = info.Env();
    if (!is_open(env)) return env.Undefined();
    if (info.Length() < 1 || !info[0].IsTypedArray() ||
        info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array ||
        info[0].As<Napi::TypedArray>().ElementLength() < 2) {
      throw_argument(env, "scan needs a Uint32Array of two elements");
      return env.Undefined();
    }
    stop_waiting();
    Span span = kernel_->ring().scan(kSpanLimit);
    if (!external_ && span.size != 0) {
      memcpy(buffer_.Value().Data(), kernel_->ring().data() + span.start, span.size);
      span.start = 0;
    }
    auto out = info[0].As<Napi::Uint32Array>();
    out[0] = span.start;
    out[1] = span.size;
    return Napi::Boolean::New(env, span.size != 0);
  }

  void advance(const Napi::CallbackInfo &info) {
    const Napi::Env env = info.Env();
    if (!is_open(env)) return;
    if (info.Length() < 1 || !info[0].IsNumber() ||
        !kernel_->ring().advance(info[0].As<Napi::Number>().Uint32Value()))
      throw_argument(env, "advance needs the bytes of a span that scan told");
  }

  // (callback): called once, when a record comes, unless scan is called before. False when there is one already.
  Napi::Value wait(const Napi::CallbackInfo &info) {
    const Napi::Env env = info.Env();
    if (!is_open(env)) return env.Undefined();
    if (info.Length() < 1 || !info[0].IsFunction()) {
      throw_argument(env, "wait needs a function");
      return env.Undefined();
    }
    woken_ = Napi::Persistent(info[0].As<Napi::Function>());
    waits_ = true;
    kernel_->tell_first(true);
    // Who began a record before that tells nobody.
    const bool waits = kernel_->ring().backlog() == 0 &&
                       waiter_.start(env, kernel_->ring_descriptor(), [this, env] { wake(env); });
    if (!waits) stop_waiting();
    return Napi::Boolean::New(env, waits);
  }

  void wake(Napi::Env env) {
    const Napi::HandleScope scope(env);
    stop_waiting();
    woken_.MakeCallback(env.Global(), {}, Napi::AsyncContext(env, "tocsin-ring"));
  }

  void stop_waiting() {
    if (!waits_) return;
    waits_ = false;
    kernel_->tell_first(false);
    waiter_.stop();
  }

  Napi::Value backlog(const Napi::CallbackInfo &info) {
    if (!is_open(info.Env())) return info.Env().Undefined();
    return Napi::Number::New(info.Env(), static_cast<double>(kernel_->ring().backlog()));
  }

  // (table, ia32, openClasses, environment)
  void watch(const Napi::CallbackInfo &info) {
    const Napi::Env env = info.Env();
    if (!is_open(env)) return;
    const auto table = elements<uint8_t>(info[0], napi_uint8_array);
    const auto ia32 = elements<uint16_t>(info[1], napi_uint16_array);
    const auto classes = elements<uint32_t>(info[2], napi_uint32_array);
    if (table.size() != SYSCALL_LIMIT || ia32.size() != SYSCALL_LIMIT ||
        classes.size() != SYSCALL_LIMIT * 2 || !info[3].IsBoolean()) {
      throw_argument(env, "watch needs one element a system call number in its tables, two of classes");
      return;
    }
    kernel_->watch(table, ia32, classes, info[3].As<Napi::Boolean>().Value());
  }

  void mute(const Napi::CallbackInfo &info) {
    const Napi::Env env = info.Env();
    if (!is_open(env)) return;
    if (info.Length() < 1 || !info[0].IsNumber()) return throw_argument(env, "a process id expected");
    if (const Outcome outcome = kernel_->mute(info[0].As<Napi::Number>().Uint32Value()))
      throw_failure(env, *outcome);
  }

  // (call, openFlags, failed, path, real); bytes, the real path empty when it does not matter
  void rule_out(const Napi::CallbackInfo &info) {
    const Napi::Env env = info.Env();
    if (!is_open(env)) return;
    const auto path = elements<uint8_t>(info[3], napi_uint8_array);
    const auto real = elements<uint8_t>(info[4], napi_uint8_array);
    if (!info[0].IsNumber() || !info[1].IsNumber() || !info[2].IsBoolean() || path.empty() ||
        path.size() >= VERDICT_PATH_MAX - 1 || real.size() > VERDICT_REAL_MAX)
      return throw_argument(env, "a verdict needs a call, its flags and paths of few bytes");
    verdict_key key = {};
    verdict verdict = {};
    key.call = static_cast<uint16_t>(info[0].As<Napi::Number>().Uint32Value());
    key.open_flags = info[1].As<Napi::Number>().Uint32Value();
    key.failed = info[2].As<Napi::Boolean>().Value() ? 1 : 0;
    key.length = static_cast<uint32_t>(path.size());
    memcpy(verdict.path.words, path.data(), path.size());
    key.hash = hash_of(&verdict.path, key.length);
    verdict.real_length = real.size();
    std::copy(real.begin(), real.end(), verdict.real);
    if (const Outcome outcome = kernel_->rule_out(key, verdict)) throw_failure(env, *outcome);
  }

  Napi::Value counters(const Napi::CallbackInfo &info) {
    const Napi::Env env = info.Env();
    if (!is_open(env)) return env.Undefined();
    probe_counters sums;
    if (const Outcome outcome = kernel_->counters(sums)) {
      throw_failure(env, *outcome);
      return env.Undefined();
    }
    auto kinds = Napi::Float64Array::New(env, KINDS * (CAUSES + FILTERS));
    size_t index = 0;
    for (size_t kind = 0; kind < KINDS; kind++) {
      for (const uint64_t count : sums.count[kind]) kinds[index++] = static_cast<double>(count);
      for (const uint64_t count : sums.filtered[kind]) kinds[index++] = static_cast<double>(count);
    }
    auto calls = Napi::Float64Array::New(env, SYSCALL_LIMIT * 2);
    for (size_t call = 0; call < SYSCALL_LIMIT; call++)
      for (size_t lost = 0; lost < 2; lost++)
        calls[call * 2 + lost] = static_cast<double>(sums.calls[call][lost]);
    auto out = Napi::Object::New(env);
    out.Set("kinds", kinds);
    out.Set("calls", calls);
    return out;
  }

  Napi::Value take_losers(const Napi::CallbackInfo &info) {
    const Napi::Env env = info.Env();
    if (!is_open(env)) return env.Undefined();
    auto out = Napi::Array::New(env);
    for (const auto &[tgid, one] : kernel_->take_losers()) {
      auto entry = Napi::Object::New(env);
      entry.Set("tgid", tgid);
      entry.Set("lost", static_cast<double>(one.lost));
      entry.Set("cgroup", static_cast<double>(one.cgroup));
      // Bytes, not text: a name need not be UTF-8.
      entry.Set("comm", Napi::Buffer<char>::Copy(env, one.comm, strnlen(one.comm, sizeof one.comm)));
      out[out.Length()] = entry;
    }
    return out;
  }

  static Napi::Value open(const Napi::CallbackInfo &info);

  void close(const Napi::CallbackInfo &info) {
    if (!open_) return;
    stop_waiting();
    waiter_.close();
    open_ = false;
    // Views that are still around become empty before the pages go.
    if (external_ && !buffer_.IsEmpty()) buffer_.Value().Detach();
    buffer_.Reset();
    kernel_->close();
  }

  std::unique_ptr<Kernel> kernel_ = std::make_unique<Kernel>();
  Waiter waiter_;
  Napi::FunctionReference woken_;
  bool waits_ = false;
  Napi::Reference<Napi::ArrayBuffer> buffer_;
  bool external_ = false;
  bool open_ = true;
};

// Opens a probe in a thread of the pool: the verifier takes its time.
class Opening : public Napi::AsyncWorker {
 public:
  Opening(Napi::Env env, Napi::Function constructor, KernelOptions options, bool copy)
      : Napi::AsyncWorker(env, "tocsin-probe"),
        promise_(env),
        constructor_(Napi::Persistent(constructor)),
        options_(std::move(options)),
        copy_(copy) {}

  Napi::Promise promise() const { return promise_.Promise(); }

 protected:
  void Execute() override { outcome_ = kernel_->open(options_); }

  void OnOK() override {
    const Napi::Env env = Env();
    if (outcome_) return promise_.Reject(error_of(env, *outcome_).Value());
    const auto kernel = Napi::External<std::unique_ptr<Kernel>>::New(env, &kernel_);
    promise_.Resolve(constructor_.New({kernel, Napi::Boolean::New(env, copy_)}));
  }

 private:
  Napi::Promise::Deferred promise_;
  Napi::FunctionReference constructor_;
  KernelOptions options_;
  bool copy_;
  std::unique_ptr<Kernel> kernel_ = std::make_unique<Kernel>();
  Outcome outcome_;
};

Napi::Value Probe::open(const Napi::CallbackInfo &info) {
  KernelOptions options;
  if (!read_options(info, options)) return info.Env().Undefined();
  auto *opening = new Opening(info.Env(), info.This().As<Napi::Function>(), std::move(options),
                              info[5].As<Napi::Boolean>().Value());
  const Napi::Promise promise = opening->promise();
  opening->Queue();
  return promise;
}

// Compilers in many threads leave the allocator with memory that is free and never given back by itself.
void trim(const Napi::CallbackInfo &) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

// Threads that are started from now on share what the allocator has for those before, instead of each keeping memory of its own.
void share(const Napi::CallbackInfo &) {
#if defined(__GLIBC__)
  mallopt(M_ARENA_MAX, 2);
#endif
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("Probe", Probe::define(env));
  exports.Set("abi", Napi::Number::New(env, EVENT_ABI));
  exports.Set("trim", Napi::Function::New<trim>(env, "trim"));
  exports.Set("share", Napi::Function::New<share>(env, "share"));
  return exports;
}

}  // namespace
}  // namespace tocsin

// Context-aware: every environment (main thread or worker) gets its own class and objects.
static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  return tocsin::initialize(env, exports);
}
NODE_API_MODULE(probe, Init)
