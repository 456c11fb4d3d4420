// SPDX-License-Identifier: Apache-2.0
// How native code says what went wrong; turned into a JavaScript Error with a code at the boundary.
#pragma once

#include <optional>
#include <string>

namespace tocsin {

struct Failure {
  const char *code;
  std::string message;
};

// Empty when all went well.
using Outcome = std::optional<Failure>;

// A failure of one step with what errno says about it.
Failure failed(const char *code, const std::string &step, int error);

}  // namespace tocsin
