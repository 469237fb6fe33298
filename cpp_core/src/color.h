// The colour matrices of video, from their two defining constants.
#pragma once

#include "edgecore/frame.h"

namespace edgecore {

/// Share of red and blue in luma. Source: ITU-R BT.601-7 and BT.709-6, both section 3 (Kr, Kb).
struct LumaShares {
  double red, blue;
  constexpr double green() const { return 1.0 - red - blue; }
};

constexpr LumaShares luma_shares(ColorMatrix matrix) {
  return matrix == ColorMatrix::kBt601 ? LumaShares{0.299, 0.114} : LumaShares{0.2126, 0.0722};
}

/// 8-bit quantisation: full scale of luma and of one chroma component, and black.
/// Source: ITU-R BT.601-7 section 2.5 (limited, 219 and 224 steps); JFIF 1.02 (full).
struct Quantisation {
  double luma_steps, chroma_steps;
  int black;
};

constexpr Quantisation quantisation(ColorRange range) {
  return range == ColorRange::kLimited ? Quantisation{219.0, 224.0, 16} : Quantisation{255.0, 255.0, 0};
}

inline constexpr int kChromaZero = 128;

/// RGB in levels 0..255 from (Y - black) and (C - 128) in levels of the frame's own range:
/// R = luma*Y + red_v*V,  G = luma*Y + green_u*U + green_v*V,  B = luma*Y + blue_u*U.
struct RgbGains {
  double luma, red_v, green_u, green_v, blue_u;
};

constexpr RgbGains rgb_gains(ColorMatrix matrix, ColorRange range) {
  const LumaShares shares = luma_shares(matrix);
  const Quantisation levels = quantisation(range);
  const double chroma = 255.0 / levels.chroma_steps;
  const double red_v = 2.0 * (1.0 - shares.red) * chroma;
  const double blue_u = 2.0 * (1.0 - shares.blue) * chroma;
  return {255.0 / levels.luma_steps, red_v, -blue_u * shares.blue / shares.green(),
          -red_v * shares.red / shares.green(), blue_u};
}

}  // namespace edgecore
