// SPDX-License-Identifier: Apache-2.0
// Watches a descriptor from the event loop of the environment, and lets go of it in time when that ends.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <functional>

namespace tocsin {

class Waiter {
 public:
  Waiter() = default;
  ~Waiter() { close(); }
  Waiter(const Waiter &) = delete;
  Waiter &operator=(const Waiter &) = delete;

  // Calls back, once, when there is something to read. False when the loop cannot watch the descriptor.
  bool start(napi_env env, int descriptor, std::function<void()> on_readable);
  void stop();
  void close();

 private:
  // Lives until the loop has let go of its handle, which may be later than we do.
  struct Handle {
    uv_poll_t poll;
    Waiter *owner;
    napi_async_cleanup_hook_handle hook;
  };

  static void end(Handle *handle);

  Handle *handle_ = nullptr;
  std::function<void()> on_readable_;
};

}  // namespace tocsin
