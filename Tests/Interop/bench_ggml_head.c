// Times the product with a head of V rows and C columns in each type, as llama.cpp's CPU backend computes it.
#include "ggml.h"
#include "ggml-cpu.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
static double now(void) { return ggml_time_us() / 1e6; }
int main(int argc, char ** argv) {
  int64_t C = atoi(argv[1]), V = atoi(argv[2]), N = atoi(argv[3]); int threads = atoi(argv[4]), rounds = atoi(argv[5]);
  ggml_time_init(); ggml_cpu_init();
  enum ggml_type types[] = {GGML_TYPE_F32, GGML_TYPE_BF16, GGML_TYPE_F16, GGML_TYPE_Q8_0, GGML_TYPE_Q6_K};
  float * x = malloc(sizeof(float) * C * V); srand(1);
  for (int64_t i = 0; i < C * V; i++) { float u = (rand() / (float) RAND_MAX + rand() / (float) RAND_MAX + rand() / (float) RAND_MAX - 1.5f) * 0.04f; unsigned b; memcpy(&b, &u, 4); b &= 0xffff0000; memcpy(x + i, &b, 4); }
  struct ggml_context * ctx[5]; struct ggml_cgraph * g[5]; struct ggml_tensor * y[5]; double best[5];
  for (int t = 0; t < 5; t++) {
    struct ggml_init_params p = {(size_t) C * V * 4 + (size_t) N * (C + V) * 4 + (64u << 20), NULL, false};
    ctx[t] = ggml_init(p); struct ggml_tensor * w = ggml_new_tensor_2d(ctx[t], types[t], C, V), * a = ggml_new_tensor_2d(ctx[t], GGML_TYPE_F32, C, N);
    ggml_quantize_chunk(types[t] == GGML_TYPE_F32 ? GGML_TYPE_F32 : types[t], x, w->data, 0, V, C, NULL);
    for (int64_t i = 0; i < C * N; i++) ((float *) a->data)[i] = sinf(i * 0.37f) * 2;
    y[t] = ggml_mul_mat(ctx[t], w, a); g[t] = ggml_new_graph(ctx[t]); ggml_build_forward_expand(g[t], y[t]); best[t] = 1e9;
  }
  for (int r = 0; r < rounds; r++) for (int t = 0; t < 5; t++) { double s = now(); ggml_graph_compute_with_ctx(ctx[t], g[t], threads); double e = now() - s; if (e < best[t]) best[t] = e; }
  double norm = 0; for (int64_t i = 0; i < V * N; i++) norm += pow(((float *) y[0]->data)[i], 2);
  for (int t = 0; t < 5; t++) { double d = 0; for (int64_t i = 0; i < V * N; i++) d += pow(((float *) y[t]->data)[i] - ((float *) y[0]->data)[i], 2);
    printf("%-5s %8.3f ms  %6.1f MB  %.1f GB/s  relative error of the logits %.2e\n", ggml_type_name(types[t]), best[t] * 1e3, ggml_row_size(types[t], C) * V / 1e6, ggml_row_size(types[t], C) * V / best[t] / 1e9, sqrt(d / norm)); }
  return 0;
}
