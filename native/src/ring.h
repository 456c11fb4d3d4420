// SPDX-License-Identifier: Apache-2.0
// Reader of the BPF ring buffer: finds spans of whole records, gives them back when they are read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "failure.h"

namespace tocsin {

// The kernel has the data pages twice in a row, so that records never wrap. Of the second time only so much is mapped as a
// record that begins in the first can reach into: every page that is mapped counts as memory of the process.
constexpr size_t kRecordRoom = 64 << 10;

// Bytes of committed records; those that begin in the first mapping.
struct Span {
  uint32_t start;
  uint32_t size;
};

class Ring {
 public:
  Ring() = default;
  ~Ring() { unmap(); }
  Ring(const Ring &) = delete;
  Ring &operator=(const Ring &) = delete;

  Outcome map(int descriptor, size_t bytes);
  void unmap();

  // Data pages, `readable()` bytes. Null when not mapped.
  uint8_t *data() const { return data_; }
  size_t readable() const { return size_ + kRecordRoom; }
  // Bytes not given back yet, records still being written included.
  uint64_t backlog() const;
  // Next span of at most `limit` bytes (or one record, if that is longer).
  Span scan(size_t limit) const;
  // Gives bytes back to the kernel; false when they go past what was produced.
  bool advance(uint32_t bytes);

 private:
  uint64_t *consumer_ = nullptr;
  uint64_t *producer_ = nullptr;
  uint8_t *data_ = nullptr;
  size_t size_ = 0;
  size_t page_ = 0;
};

}  // namespace tocsin
