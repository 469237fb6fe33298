// What a YAML file must be as plain text, before a parser sees it.
#pragma once

#include <string>

#include "edgecore/status.h"

namespace edgecore::yaml {

/// Refuses, with the line: bytes that are not UTF-8, control characters, tabs in the indentation.
/// name: what messages call the text.
Status check_text(const std::string& text, const std::string& name);

}  // namespace edgecore::yaml
