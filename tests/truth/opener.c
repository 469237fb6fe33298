/* Opens each file named on the command line as a program would that loads a plug-in; says what the loader says. */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **names) {
  int failures = 0;
  for (int i = 1; i < count; ++i) {
    if (dlopen(names[i], RTLD_NOW)) {
      printf("loaded %s\n", names[i]);
    } else {
      fprintf(stderr, "dlopen: %s\n", dlerror());
      ++failures;
    }
  }
  return failures != 0;
}
