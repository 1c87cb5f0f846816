/* Thaw: fine-tuning of pretrained image networks on CPU clusters. The whole public interface.
 *
 * Error contract. Every function that can fail returns thaw_status, THAW_OK or a reason that is also the
 * exit code of the program, and records one line of text (thaw/error.h). Functions that return a pointer
 * return NULL and record the same. The library prints nothing and never exits; it has no state outside
 * the objects it hands out, but for the text of the last error of each thread.
 *
 * Ownership. Whoever creates destroys, with the function of the same prefix; destroy functions take
 * NULL. Pointers in a `const` structure belong to whoever filled it.
 *
 * Tensors are fp32, 64-byte aligned, images (N,H,W,C).
 */
#ifndef THAW_H
#define THAW_H

#include "thaw/allreduce.h"
#include "thaw/bench.h"
#include "thaw/checkpoint.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/error.h"
#include "thaw/executor.h"
#include "thaw/file.h"
#include "thaw/graph.h"
#include "thaw/image.h"
#include "thaw/lanes.h"
#include "thaw/ledger.h"
#include "thaw/loader.h"
#include "thaw/model.h"
#include "thaw/ops.h"
#include "thaw/random.h"
#include "thaw/report.h"
#include "thaw/shards.h"
#include "thaw/tensor.h"
#include "thaw/train.h"
#include "thaw/training_plan.h"
#include "thaw/transform.h"
#include "thaw/weights.h"

#endif
