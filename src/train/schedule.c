/* The learning rate schedule: linear warm-up, then half a cosine (SGDR without restarts, 1608.03983). */
#include <math.h>

#include "thaw/train.h"

double thaw_schedule(int64_t step, int64_t steps, double warmup)
{
	int64_t rising = (int64_t)ceil(warmup * (double)steps);
	if (step < rising)
		return (double)(step + 1) / (double)rising;
	if (steps <= rising)
		return 1.0;
	const double pi = 3.14159265358979323846;
	return 0.5 * (1.0 + cos(pi * (double)(step - rising) / (double)(steps - rising)));
}
