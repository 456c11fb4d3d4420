// SPDX-License-Identifier: Apache-2.0
#include "waiter.h"

namespace tocsin {

bool Waiter::start(napi_env env, int descriptor, std::function<void()> on_readable) {
  if (handle_ == nullptr) {
    uv_loop_t *loop = nullptr;
    auto *handle = new Handle{};
    if (napi_get_uv_event_loop(env, &loop) != napi_ok ||
        uv_poll_init(loop, &handle->poll, descriptor) != 0) {
      delete handle;
      return false;
    }
    handle->owner = this;
    handle->poll.data = handle;
    uv_unref(reinterpret_cast<uv_handle_t *>(&handle->poll));
    // An environment that ends with a handle in its loop takes the process with it.
    napi_add_async_cleanup_hook(
        env,
        [](napi_async_cleanup_hook_handle, void *argument) { end(static_cast<Handle *>(argument)); },
        handle, &handle->hook);
    handle_ = handle;
  }
  on_readable_ = std::move(on_readable);
  return uv_poll_start(&handle_->poll, UV_READABLE, [](uv_poll_t *poll, int, int) {
           uv_poll_stop(poll);
           Waiter *owner = static_cast<Handle *>(poll->data)->owner;
           if (owner != nullptr) owner->on_readable_();
         }) == 0;
}

void Waiter::stop() {
  if (handle_ != nullptr) uv_poll_stop(&handle_->poll);
}

void Waiter::close() {
  if (handle_ != nullptr) end(handle_);
}

void Waiter::end(Handle *handle) {
  if (handle->owner != nullptr) handle->owner->handle_ = nullptr;
  handle->owner = nullptr;
  auto *poll = reinterpret_cast<uv_handle_t *>(&handle->poll);
  if (uv_is_closing(poll)) return;
  uv_close(poll, [](uv_handle_t *closed) {
    auto *done = static_cast<Handle *>(closed->data);
    napi_remove_async_cleanup_hook(done->hook);
    delete done;
  });
}

}  // namespace tocsin
