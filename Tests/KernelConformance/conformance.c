// Tritsmith: every entry of every kernel table this processor has against vectors of the Swift definition.
//
//   conformance --tables      names of the tables, best first
//   conformance FILE          compares; FILE is what trit-vectors writes (Tests/KernelVectors/VectorFile.swift)
//
// Inputs and outputs end where a page begins that may not be touched, so an access past their end is seen.
#define _GNU_SOURCE
#include "trit_inference.h"
#include "trit_kernels.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { max_parameters = 8, max_parts = 5, margin = 64, untouched = 0x5A, max_tables = 8, max_entries = 64 };

#ifdef TRIT_EMULATED
extern const trit_inference_table trit_inference_emulated;
#endif

typedef struct {
  uint8_t *bytes;  // Of the file, or of memory that ends at a guard page.
  size_t size;
  uint8_t kind;
  void *mapping;
  size_t mapped;
} part;

typedef struct {
  char name[32];
  uint64_t p[max_parameters];
  unsigned input_count, output_count;
  part in[max_parts], expected[max_parts], out[max_parts];
} vector;

// What is running, for the message when it touches what it may not.
static const char *current_table = "", *current_entry = "";

static void fail(const char *what) {
  fprintf(stderr, "conformance: %s\n", what);
  exit(2);
}

static void on_fault(int number) {
  (void)number;
  fprintf(stderr, "conformance: %s of %s touched memory outside of its arguments\n", current_entry, current_table);
  _exit(1);
}

// ---- Memory

static part guarded(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + margin + page - 1) / page * page;
  part result = {.size = size, .mapped = whole + page};
  result.mapping = mmap(NULL, result.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (result.mapping == MAP_FAILED) fail("no memory");
  if (mprotect((char *)result.mapping + whole, page, PROT_NONE) != 0) fail("no guard page");
  result.bytes = (uint8_t *)result.mapping + whole - size;
  return result;
}

static void release(part *p) {
  if (p->mapping) munmap(p->mapping, p->mapped);
  p->mapping = NULL;
}

// ---- The file

typedef struct {
  uint8_t *bytes;
  size_t size, place;
} reader;

static uint8_t *take(reader *r, size_t n) {
  if (n > r->size - r->place) fail("the file of vectors ends early");
  r->place += n;
  return r->bytes + r->place - n;
}

static uint64_t take_number(reader *r, size_t n) {
  uint64_t value = 0;
  memcpy(&value, take(r, n), n);  // Little-endian machines only, as the kernels are.
  return value;
}

static unsigned take_count(reader *r, unsigned limit) {
  unsigned n = (unsigned)take_number(r, 4);
  if (n > limit) fail("the file of vectors is of another version");
  return n;
}

static vector take_vector(reader *r) {
  vector v = {0};
  unsigned length = take_count(r, sizeof v.name - 1);
  memcpy(v.name, take(r, length), length);
  unsigned parameters = take_count(r, max_parameters);
  for (unsigned k = 0; k < parameters; k++) v.p[k] = take_number(r, 8);
  v.input_count = take_count(r, max_parts);
  for (unsigned k = 0; k < v.input_count; k++) {
    v.in[k] = guarded((size_t)take_number(r, 8));
    if (take_number(r, 1) == 1) {
      memset(v.in[k].bytes, (int)take_number(r, 1), v.in[k].size);
    } else {
      memcpy(v.in[k].bytes, take(r, v.in[k].size), v.in[k].size);
    }
  }
  v.output_count = take_count(r, max_parts);
  for (unsigned k = 0; k < v.output_count; k++) {
    size_t size = (size_t)take_number(r, 8);
    uint8_t kind = (uint8_t)take_number(r, 1);
    v.expected[k] = (part){.bytes = take(r, size), .size = size, .kind = kind};
    v.out[k] = guarded(size);
  }
  return v;
}

// ---- Entries. A function of the table, with the arguments of a vector.

static void put(vector *v, unsigned index, const void *value, size_t size) {
  if (v->out[index].size != size) fail("an output of another size");
  memcpy(v->out[index].bytes, value, size);
}

static int is(const vector *v, const char *name) { return strcmp(v->name, name) == 0; }

static void summarize(const trit_kernel_table *t, vector *v) {
  uint16_t extremes[2] = {0, 0xFFFF};
  size_t count = v->p[0], block = v->p[1];
  for (size_t start = 0; start < count; start += block) {
    double l[8] = {0};
    t->summarize_bf16(v->in[0].bytes + 2 * start, count - start < block ? count - start : block, l, &extremes[0],
                      &extremes[1]);
    double sum = ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
    memcpy(v->out[0].bytes + 8 * (start / block), &sum, 8);
  }
  put(v, 1, extremes, sizeof extremes);
}

static void histogram(const trit_kernel_table *t, vector *v) {
  enum { patterns = 65536 };
  uint32_t *tables = malloc(4 * patterns * sizeof *tables), *sums = malloc(patterns * sizeof *sums);
  if (!tables || !sums) fail("no memory");
  for (size_t k = 0; k < 4 * patterns; k++) tables[k] = 1;
  t->histogram16(v->in[0].bytes, v->p[0], tables);
  for (size_t k = 0; k < patterns; k++)
    sums[k] = tables[k] + tables[patterns + k] + tables[2 * patterns + k] + tables[3 * patterns + k];
  put(v, 0, sums, patterns * sizeof *sums);
  free(tables);
  free(sums);
}

// Runs an entry of the quantizing table; 0 when the vector is of another one.
static int run_kernel(const trit_kernel_table *t, vector *v) {
  uint8_t *in = v->in[0].bytes, *out = v->out[0].bytes;
  const uint64_t *p = v->p;
  const int8_t *planes[5];
  for (int k = 0; k < 5; k++) planes[k] = (const int8_t *)in + p[1 + k];
  if (is(v, "summarize_bf16")) {
    summarize(t, v);
  } else if (is(v, "quantize_bf16")) {
    t->quantize_bf16(in, p[0], (uint16_t)p[1], (uint16_t)p[2], (int8_t *)out);
  } else if (is(v, "snap_bf16")) {
    t->snap_bf16(in, p[0], (uint16_t)p[1], (uint16_t)p[2], (uint16_t)p[3], out);
  } else if (is(v, "pack_four")) {
    t->pack_four(planes, p[0], out);
  } else if (is(v, "pack_five")) {
    t->pack_five(planes, p[0], out);
  } else if (is(v, "unpack_four") || is(v, "unpack_five")) {
    uint64_t invalid = is(v, "unpack_four") ? t->unpack_four(in, p[0], (unsigned)p[1], (int8_t *)out)
                                            : t->unpack_five(in, p[0], (unsigned)p[1], (int8_t *)out);
    put(v, 1, &invalid, sizeof invalid);
  } else if (is(v, "histogram16")) {
    histogram(t, v);
  } else {
    return 0;
  }
  return 1;
}

static float float_of(uint64_t bits) {
  uint32_t low = (uint32_t)bits;
  float value;
  memcpy(&value, &low, 4);
  return value;
}

static int run_inference(const trit_inference_table *t, vector *v) {
  const uint64_t *p = v->p;
  const uint8_t *w = v->in[0].bytes;
  const void *second = v->in[1].bytes;
  void *out = v->out[0].bytes;
  if (is(v, "quantize_row")) {
    float scale;
    int32_t sum;
    t->quantize_row((const float *)(const void *)w, p[0], out, &scale, &sum);
    put(v, 1, &scale, sizeof scale);
    put(v, 2, &sum, sizeof sum);
  } else if (is(v, "joined_dot")) {
    t->joined_dot(w, p[0], p[1], second, out, p[2]);
  } else if (is(v, "split_dot")) {
    t->split_dot(w, p[0], p[1], second, out);
  } else if (is(v, "packed_product")) {
    t->packed_product(w, p[0], p[1], (int)p[2], second, p[3], p[4], out);
  } else if (is(v, "grouped_dot")) {
    t->grouped_dot(w, p[0], p[1], (unsigned)p[2], second, (int)p[3], (const int8_t *)v->in[2].bytes, p[4],
                   (const int32_t *)(const void *)v->in[3].bytes, (const float *)(const void *)v->in[4].bytes, p[5],
                   p[6], out, p[7]);
  } else if (is(v, "widen_trits")) {
    t->widen_trits(w, p[0], (unsigned)p[1], float_of(p[2]), out);
  } else if (is(v, "dot_bf16")) {
    t->dot_bf16(w, p[0], p[1], second, p[2], p[3], p[4], out, p[5]);
  } else if (is(v, "dot_f16")) {
    t->dot_f16(w, p[0], p[1], second, p[2], p[3], p[4], out, p[5]);
  } else if (is(v, "dot_f32")) {
    t->dot_f32(w, p[0], p[1], second, p[2], p[3], p[4], out, p[5]);
  } else if (is(v, "weighted_sum")) {
    t->weighted_sum((const float *)(const void *)w, second, p[0], p[1], p[2], out);
  } else if (is(v, "exponentials")) {
    memcpy(out, w, p[0] * sizeof(float));
    t->exponentials(out, p[0]);
  } else {
    return 0;
  }
  return 1;
}

// ---- Comparing

enum { kind_float = 0x14, kind_double = 0x18 };

static int is_nan(const uint8_t *bytes, uint8_t kind) {
  if (kind == kind_float) {
    uint32_t bits;
    memcpy(&bits, bytes, 4);
    return (bits & 0x7FFFFFFF) > 0x7F800000;
  }
  uint64_t bits;
  memcpy(&bits, bytes, 8);
  return (bits & 0x7FFFFFFFFFFFFFFF) > 0x7FF0000000000000;
}

typedef struct {
  size_t vectors, numbers, differing;
  size_t seen[max_entries];
} tally;

static void compare(const char *table, const vector *v, tally *counts) {
  size_t before = counts->differing;
  for (unsigned k = 0; k < v->output_count; k++) {
    const part *expected = &v->expected[k], *out = &v->out[k];
    int is_float = expected->kind == kind_float || expected->kind == kind_double;
    size_t size = expected->kind & 15;
    for (size_t i = 0; i + size <= expected->size; i += size) {
      counts->numbers++;
      if (memcmp(expected->bytes + i, out->bytes + i, size) == 0) continue;
      // Which NaN an operation makes is the processor's choice.
      if (is_float && is_nan(expected->bytes + i, expected->kind) && is_nan(out->bytes + i, expected->kind)) continue;
      counts->differing++;
    }
    for (size_t i = 1; i <= margin; i++) counts->differing += out->bytes[-(ptrdiff_t)i] != untouched;
  }
  counts->vectors++;
  if (counts->differing != before) {
    fprintf(stderr, "%s: %s(", table, v->name);
    for (int k = 0; k < max_parameters; k++) fprintf(stderr, "%s%llu", k ? ", " : "", (unsigned long long)v->p[k]);
    fprintf(stderr, ") differs in %zu\n", counts->differing - before);
  }
}

static void prepare(vector *v) {
  for (unsigned k = 0; k < v->output_count; k++) memset(v->out[k].bytes - margin, untouched, v->out[k].size + margin);
}

// Number of a name in a list that grows.
static size_t place_of(const char *name, char (*names)[32], size_t *count) {
  for (size_t k = 0; k < *count; k++) {
    if (strcmp(names[k], name) == 0) return k;
  }
  if (*count == max_entries) fail("too many entries");
  strcpy(names[*count], name);
  return (*count)++;
}

static reader open_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) fail("no file of vectors");
  reader r = {.size = (size_t)ftell(file)};
  rewind(file);
  r.bytes = malloc(r.size);
  if (!r.bytes || fread(r.bytes, 1, r.size, file) != r.size) fail("the file of vectors cannot be read");
  fclose(file);
  if (memcmp(take(&r, 8), "TRITVEC1", 8) != 0) fail("no file of vectors");
  return r;
}

int main(int argc, char **argv) {
  const trit_kernel_table *kernels = trit_native_kernels();
  const trit_inference_table *inference[max_tables];
  size_t tables = 0;
  while (tables < max_tables && (inference[tables] = trit_inference_kernels((unsigned)tables))) tables++;
#ifdef TRIT_EMULATED
  inference[tables++] = &trit_inference_emulated;
#endif
  if (argc != 2) fail("usage: conformance --tables | FILE");
  if (strcmp(argv[1], "--tables") == 0) {
    printf("%s:", kernels ? kernels->name : "none");
    for (size_t k = 0; k < tables; k++) printf(" %s", inference[k]->name);
    printf("\n");
    return 0;
  }
  signal(SIGSEGV, on_fault);
  signal(SIGBUS, on_fault);

  reader r = open_file(argv[1]);
  tally quantizing = {0}, product[max_tables] = {0};
  char kernel_names[max_entries][32], inference_names[max_entries][32];
  size_t kernel_entries = 0, inference_entries = 0;
  while (r.place < r.size) {
    vector v = take_vector(&r);
    current_entry = v.name;
    int known = 0;
    if (kernels) {
      current_table = kernels->name;
      prepare(&v);
      if (run_kernel(kernels, &v)) {
        known = 1;
        quantizing.seen[place_of(v.name, kernel_names, &kernel_entries)]++;
        compare(kernels->name, &v, &quantizing);
      }
    }
    for (size_t k = 0; k < tables && !known; k++) {
      current_table = inference[k]->name;
      prepare(&v);
      if (!run_inference(inference[k], &v)) fail("a vector of an entry this program does not know");
      product[k].seen[place_of(v.name, inference_names, &inference_entries)]++;
      compare(inference[k]->name, &v, &product[k]);
    }
    for (unsigned k = 0; k < v.input_count; k++) release(&v.in[k]);
    for (unsigned k = 0; k < v.output_count; k++) release(&v.out[k]);
  }
  free(r.bytes);

  size_t differing = quantizing.differing;
  if (kernels) {
    printf("%-13s quantizing  %6zu vectors, %9zu numbers, %zu differ\n", kernels->name, quantizing.vectors,
           quantizing.numbers, quantizing.differing);
  }
  for (size_t k = 0; k < tables; k++) {
    printf("%-13s inference   %6zu vectors, %9zu numbers, %zu differ\n", inference[k]->name, product[k].vectors,
           product[k].numbers, product[k].differing);
    differing += product[k].differing;
  }
  // A table is a name and functions: one more than there are names here has no vectors.
  if (kernels && kernel_entries != sizeof *kernels / sizeof(void *) - 1)
    fail("entries of trit_kernel_table without vectors");
  if (tables && inference_entries != sizeof *inference[0] / sizeof(void *) - 1)
    fail("entries of trit_inference_table without vectors");
  return differing != 0;
}
