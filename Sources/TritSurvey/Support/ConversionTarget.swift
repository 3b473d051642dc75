// Tritsmith: the kinds of files a conversion writes.

/// What kind of file a conversion writes.
public enum ConversionTarget: String, Sendable, Hashable, CaseIterable {
  /// Packed trits in safetensors, as transformers loads them.
  case hfPacked = "hf-packed"
  /// One TritPack file.
  case tritpack
  /// trit × scale as dense bfloat16, as onebitllms' `convert_to_bf16` writes it.
  case dense
  /// One GGUF file, as llama.cpp and bitnet.cpp load it.
  case gguf
  /// Packed trits in safetensors, as mlx-lm loads them.
  case mlx
  /// Dense bfloat16 that frameworks continue training from: latents that give the packed model's trits and scales again.
  case trainable
}
