// SPDX-License-Identifier: Apache-2.0
#include "ring.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace tocsin {

Outcome Ring::map(int descriptor, size_t bytes) {
  page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_ = bytes;
  void *consumer = mmap(nullptr, page_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (consumer == MAP_FAILED)
    return failed("PROBE_RING", "cannot map the ring's consumer page", errno);
  consumer_ = static_cast<uint64_t *>(consumer);
  void *producer = mmap(nullptr, page_ + readable(), PROT_READ, MAP_SHARED, descriptor,
                        static_cast<off_t>(page_));
  if (producer == MAP_FAILED)
    return failed("PROBE_RING", "cannot map the ring's data pages", errno);
  producer_ = static_cast<uint64_t *>(producer);
  data_ = static_cast<uint8_t *>(producer) + page_;
  return std::nullopt;
}

void Ring::unmap() {
  if (producer_ != nullptr) munmap(producer_, page_ + readable());
  if (consumer_ != nullptr) munmap(consumer_, page_);
  producer_ = consumer_ = nullptr;
  data_ = nullptr;
}

uint64_t Ring::backlog() const {
  if (data_ == nullptr) return 0;
  return __atomic_load_n(producer_, __ATOMIC_ACQUIRE) - *consumer_;
}

Span Ring::scan(size_t limit) const {
  if (data_ == nullptr) return {0, 0};
  const uint64_t from = *consumer_;
  const uint64_t produced = __atomic_load_n(producer_, __ATOMIC_ACQUIRE);
  uint64_t at = from;
  while (at < produced && (from & (size_ - 1)) + (at - from) < size_) {
    const uint32_t word = __atomic_load_n(
        reinterpret_cast<const uint32_t *>(data_ + (at & (size_ - 1))), __ATOMIC_ACQUIRE);
    if (word & BPF_RINGBUF_BUSY_BIT) break;
    const uint64_t length = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    const uint64_t next = at + ((length + BPF_RINGBUF_HDR_SZ + 7) & ~uint64_t{7});
    if (next - from > limit && at != from) break;
    at = next;
  }
  return {static_cast<uint32_t>(from & (size_ - 1)), static_cast<uint32_t>(at - from)};
}

bool Ring::advance(uint32_t bytes) {
  if (data_ == nullptr || bytes % 8 != 0 || bytes > backlog()) return false;
  __atomic_store_n(consumer_, *consumer_ + bytes, __ATOMIC_RELEASE);
  return true;
}

}  // namespace tocsin
