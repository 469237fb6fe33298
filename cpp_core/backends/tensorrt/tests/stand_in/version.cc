// One per library: the release that it stands in for.
namespace stand_in {
extern const int kVersion;
const int kVersion = STAND_IN_VERSION;
}  // namespace stand_in
