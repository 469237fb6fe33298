// Where this library's code lies, whatever it is linked into.
#pragma once

#include <filesystem>

namespace edgecore {

/// The folder of modules that was installed with it: bin/NAME -> ../lib/edgecore, a Python package -> lib.
std::filesystem::path installed_modules();

}  // namespace edgecore
