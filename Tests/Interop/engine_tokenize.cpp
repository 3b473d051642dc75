// Prints the ids an engine gives to texts: one line for each file.
//
// For bitnet.cpp (its fork of llama.cpp under 3rdparty), built as it says:
//
//     c++ -std=c++17 -O1 -Iinclude -Iggml/include engine_tokenize.cpp src/*.cpp libggml.a -fopenmp -o engine_tokenize
//     ./engine_tokenize model.gguf text-1.txt text-2.txt
//
// For ik_llama.cpp add -Dllama_load_model_from_file=llama_model_load_from_file.
//
// Special tokens are neither added nor looked for. Exit 1 when the engine refuses the model, and it says why.

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "llama.h"

int main(int argc, char **argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: engine_tokenize MODEL TEXT...\n");
    return 64;
  }
  llama_backend_init();
  llama_model_params parameters = llama_model_default_params();
  parameters.vocab_only = true;
  llama_model *model = llama_load_model_from_file(argv[1], parameters);
  if (model == nullptr) return 1;
  for (int i = 2; i < argc; i++) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<llama_token> ids(text.size() + 8);
    const int count = llama_tokenize(model, text.data(), text.size(), ids.data(), ids.size(), false, false);
    for (int k = 0; k < count; k++) std::printf("%s%d", k == 0 ? "" : " ", ids[k]);
    std::printf("\n");
  }
  llama_free_model(model);
  return 0;
}
