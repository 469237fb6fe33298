/* beat run FILE: writes "VERSION COUNT MONOTONIC_SECONDS" to FILE ten times a second.
   beat health FILE: exit 0 when this very version has written it three times, the last within five seconds. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int run(const char* path) {
  char fresh[4096];
  snprintf(fresh, sizeof fresh, "%s.new", path);
  for (long count = 1;; ++count) {
    FILE* file = fopen(fresh, "w");
    if (!file) {
      perror(fresh);
      return 1;
    }
    fprintf(file, "%s %ld %.3f\n", BEAT_VERSION, count, now_s());
    if (fclose(file) != 0 || rename(fresh, path) != 0) {
      perror(path);
      return 1;
    }
    usleep(100000);
  }
}

static int health(const char* path) {
  char version[64];
  long count = 0;
  double at_s = 0;
  FILE* file = fopen(path, "r");
  if (!file) {
    perror(path);
    return 1;
  }
  const int fields = fscanf(file, "%63s %ld %lf", version, &count, &at_s);
  fclose(file);
  if (fields != 3 || strcmp(version, BEAT_VERSION) != 0 || count < 3 || now_s() - at_s > 5 || !BEAT_WELL) {
    fprintf(stderr, "beat %s is not well: %s %ld, %.1f s ago\n", BEAT_VERSION, version, count, now_s() - at_s);
    return 1;
  }
  printf("beat %s: %ld frames\n", version, count);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "run") == 0) return run(argv[2]);
  if (argc == 3 && strcmp(argv[1], "health") == 0) return health(argv[2]);
  fprintf(stderr, "usage: beat run|health FILE\n");
  return 2;
}
