// Package frameworks reads what the containers of a training job are told as the frameworks in them do, and tells whether
// their processes would find each other: whether every rank is there once, whether all mean the same address, and whether
// somebody listens there. It knows nothing of how Muster writes these variables.
//
// What the frameworks do is in each file's own words: torch.distributed and torchrun, jax.distributed, the tracker of
// XGBoost and the machine list of LightGBM, tf.distribute's TFConfigClusterResolver, ps-lite and BytePS under MXNet, and
// paddle.distributed.launch.
package frameworks
