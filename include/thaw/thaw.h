/* Thaw: fine-tuning of pretrained image networks on CPU clusters. The public interface of libthaw.
 *
 * This header includes all others but thaw/mpi.h, which belongs to a separate library, libthaw-mpi.
 *
 * Errors. Every function that can fail returns thaw_status: THAW_OK, or the reason. It also records one line of text
 * (thaw/error.h). Functions that return a pointer return NULL and record the text too.
 *
 * State. The library prints nothing and never ends the process. It has no state outside the objects that it returns,
 * except the text of the last error of each thread.
 *
 * Threads. Different threads may use different objects at the same time. One object may be used by one thread at a time
 * unless its header says otherwise.
 *
 * Ranks. Functions that take a struct thaw_comm are collective unless their comment says otherwise: all ranks call them
 * in the same order.
 *
 * Ownership. The caller that creates an object destroys it, with the function of the same prefix. Destroy functions
 * accept NULL. Pointers in a `const` structure belong to the caller that filled it.
 *
 * Tensors are fp32 and 64-byte aligned. Images are (N,H,W,C).
 */
#ifndef THAW_H
#define THAW_H

#include "thaw/advise.h"
#include "thaw/allreduce.h"
#include "thaw/api.h"
#include "thaw/bench.h"
#include "thaw/catalogue.h"
#include "thaw/check.h"
#include "thaw/checkpoint.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/digest.h"
#include "thaw/dtype.h"
#include "thaw/embed.h"
#include "thaw/error.h"
#include "thaw/exclude.h"
#include "thaw/executor.h"
#include "thaw/file.h"
#include "thaw/fingerprint.h"
#include "thaw/found.h"
#include "thaw/graph.h"
#include "thaw/heatmap.h"
#include "thaw/image.h"
#include "thaw/lanes.h"
#include "thaw/ledger.h"
#include "thaw/loader.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/ops.h"
#include "thaw/pack.h"
#include "thaw/pair.h"
#include "thaw/random.h"
#include "thaw/report.h"
#include "thaw/rows_file.h"
#include "thaw/run_result.h"
#include "thaw/shards.h"
#include "thaw/sizes.h"
#include "thaw/stage.h"
#include "thaw/tensor.h"
#include "thaw/train.h"
#include "thaw/training_plan.h"
#include "thaw/transform.h"
#include "thaw/verify.h"
#include "thaw/version.h"
#include "thaw/weights.h"

#endif
