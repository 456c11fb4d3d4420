// SPDX-License-Identifier: Apache-2.0
// What libbpf says while one thread loads an object, the verifier's log included.
#pragma once

#include <string>

namespace tocsin {

// Where the verifier names the instruction it refuses.
std::string last_lines(const std::string &text);

// Collects libbpf's warnings of the calling thread as long as it lives.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture &) = delete;
  LogCapture &operator=(const LogCapture &) = delete;

  void append(const char *text, size_t size);
  void clear() { text_.clear(); }
  const std::string &text() const { return text_; }
  std::string tail() const;

 private:
  std::string text_;
};

}  // namespace tocsin
