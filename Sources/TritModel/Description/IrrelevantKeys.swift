// Tritsmith: configuration keys that say nothing about the forward pass.

/// Keys of `config.json` that transformers writes or published files hold and that cannot change logits.
///
/// Training settings, generation settings, token ids, names and bookkeeping. A key is added here only after a look at
/// what transformers does with it; everything else is read or refused.
let irrelevantConfigurationKeys: Set<String> = [
  // Names and bookkeeping.
  "architectures", "model_type", "_name_or_path", "name_or_path", "transformers_version", "auto_map", "_commit_hash",
  "unsloth_version", "unsloth_fixed", "is_bitnet_config", "torchscript", "tokenizer_class", "processor_class",
  "license", "license_name", "license_link", "prefix", "finetuning_task", "problem_type", "task_specific_params",
  "id2label", "label2id", "num_labels",
  // The type weights were saved in; they are read in the type they are stored in, and computed with in float32.
  "torch_dtype", "dtype",
  // Training.
  "attention_dropout", "hidden_dropout", "dropout", "resid_pdrop", "embd_pdrop", "initializer_range",
  "gradient_checkpointing", "use_bfloat16",
  // How transformers splits or runs the same sums.
  "pretraining_tp", "use_cache", "_attn_implementation", "attn_implementation", "_attn_implementation_autoset",
  "_flash_attn_2_enabled", "chunk_size_feed_forward", "return_dict", "use_return_dict", "output_attentions",
  "output_hidden_states",
  // Token ids and generation.
  "sep_token_id", "cls_token_id", "decoder_start_token_id",
  "forced_bos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens", "bad_words_ids",
  "do_sample", "temperature", "top_k", "top_p", "typical_p", "num_beams", "num_beam_groups", "num_return_sequences",
  "max_length", "min_length", "early_stopping", "length_penalty", "repetition_penalty", "diversity_penalty",
  "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "output_scores", "return_dict_in_generate",
  "exponential_decay_length_penalty", "remove_invalid_values",
]

extension HuggingFaceDescription {
  /// Whether a key says nothing that logits depend on.
  package static func isBookkeeping(_ key: String) -> Bool { irrelevantConfigurationKeys.contains(key) }
}
