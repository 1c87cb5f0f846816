#ifndef THAW_SRC_BASE_MIX_H
#define THAW_SRC_BASE_MIX_H

#include <stdint.h>

/* SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA'14): a bijection in which every bit depends on every bit. */
static inline uint64_t thaw_mix(uint64_t x)
{
	x += UINT64_C(0x9E3779B97F4A7C15);
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

#endif
