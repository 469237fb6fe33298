// edgecore: runs a pipeline.yaml and prints what it sees.
#include <cstdio>
#include <string>
#include <vector>

#include "arguments.h"
#include "commands.h"
#include "output.h"

int main(int argc, char** argv) {
  using namespace edgecore::app;
  const auto arguments = parse_arguments(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  if (!arguments) return report(arguments.error());
  switch (arguments->command) {
    case Command::kHelp: std::fputs(kUsage, stdout); return 0;
    case Command::kVersion: std::puts("edgecore " EDGECORE_VERSION); return 0;
    default: break;
  }
  keep_standard_output();
  switch (arguments->command) {
    case Command::kRun: return run_pipeline(*arguments);
    case Command::kHealth: return tell_health(*arguments);
    default: return list_modules(*arguments);
  }
}
