// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <vector>

namespace tocsin {
namespace {

constexpr size_t kLogLimit = 256 * 1024;
constexpr int kTailLines = 30;

// libbpf's callback carries no user pointer, so the collector in charge is found by thread.
thread_local LogCapture *collector = nullptr;

int collect(enum libbpf_print_level level, const char *format, va_list arguments) {
  if (collector == nullptr || level != LIBBPF_WARN) return 0;
  va_list again;
  va_copy(again, arguments);
  const int size = vsnprintf(nullptr, 0, format, arguments);
  if (size > 0) {
    std::vector<char> line(static_cast<size_t>(size) + 1);
    vsnprintf(line.data(), line.size(), format, again);
    collector->append(line.data(), static_cast<size_t>(size));
  }
  va_end(again);
  return size;
}

}  // namespace

LogCapture::LogCapture() {
  collector = this;
  libbpf_set_print(collect);
}

LogCapture::~LogCapture() { collector = nullptr; }

void LogCapture::append(const char *text, size_t size) {
  text_.append(text, size);
  if (text_.size() > kLogLimit) text_.erase(0, text_.size() - kLogLimit);
}

std::string LogCapture::tail() const { return last_lines(text_); }

std::string last_lines(const std::string &text) {
  size_t from = text.size();
  for (int lines = 0; lines <= kTailLines && from != 0 && from != std::string::npos; lines++)
    from = text.rfind('\n', from - 1);
  return from == std::string::npos || from == 0 ? text : text.substr(from + 1);
}

}  // namespace tocsin
