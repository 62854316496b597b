package wire

import "strings"

// The request tables of the OpenAI dialect, with the keys that self-hosted engines
// add. A key that no table names is unknown.

func compileOptions(tables ...map[Option]string) map[string]Option {
	options := make(map[string]Option)
	for _, table := range tables {
		for option, names := range table {
			for name := range strings.FieldsSeq(names) {
				options[name] = option
			}
		}
	}
	return options
}

// openAISampling are the options of both generating routes.
func openAISampling() map[Option]string {
	return map[Option]string{
		OptionModel:         "model",
		OptionStream:        "stream",
		OptionStreamOptions: "stream_options",
		OptionMaxTokens:     "max_tokens",
		OptionChoices:       "n",
		OptionBestOf:        "best_of",
		OptionLogprobs:      "logprobs",
		OptionLogitBias:     "logit_bias",
		OptionTemperature:   "temperature",
		OptionSeed:          "seed",
		OptionStore:         "store",
		OptionPlain: "top_p stop presence_penalty frequency_penalty user safety_identifier prompt_cache_key " +
			"prompt_cache_retention prompt_cache_options metadata service_tier top_k min_p typical_p tfs_z top_a repetition_penalty " +
			"length_penalty min_tokens ignore_eos early_stopping use_beam_search skip_special_tokens " +
			"spaces_between_special_tokens include_stop_str_in_output truncate_prompt_tokens add_special_tokens " +
			"cache_salt request_id mirostat mirostat_tau mirostat_eta repeat_penalty repeat_last_n no_stop_trim " +
			"dynatemp_range dynatemp_exponent dry_multiplier dry_base dry_allowed_length dry_penalty_last_n " +
			"xtc_probability xtc_threshold cache_prompt keep_alive moderation",
		OptionTargetIDs:      "logprob_token_ids token_ids_logprob",
		OptionTokenLists:     "allowed_token_ids bad_words stop_token_ids bad_words_token_ids",
		OptionResponseFormat: "response_format",
		OptionGrammar: "structured_outputs guided_json guided_regex guided_choice guided_grammar guided_decoding_backend " +
			"guided_whitespace_pattern structural_tag grammar grammar_lazy regex ebnf json_schema",
		OptionPromptScores: "prompt_logprobs logprob_start_len return_prompt_logprobs decoder_input_details",
		OptionEcho:         "echo",
		OptionTokenIDs: "return_token_ids return_tokens_as_token_ids return_token_offsets return_tokens " +
			"return_prompt_token_ids",
		OptionInternal: "return_hidden_states return_routed_experts routed_experts_prompt_start return_indexer_topk " +
			"return_entropy return_sampling_mask return_flat_raw_top_logprobs return_prompt_text return_cached_tokens_details " +
			"kv_transfer_params ec_transfer_params vllm_xargs n_probs post_sampling_probs top_logprobs_num " +
			"return_logprob timings_per_token return_meta_info __verbose verbose debug prompt_embeds " +
			"bootstrap_host bootstrap_port bootstrap_room lora_path session_params slot_id id_slot",
		OptionCode:      "custom_logit_processor custom_params logits_processors chat_template",
		OptionWatermark: "watermark watermarking",
		OptionPriority:  "priority",
	}
}

func openAIChatOptions() map[string]Option {
	return compileOptions(openAISampling(), map[Option]string{
		OptionText:        "messages",
		OptionMaxTokens:   "max_completion_tokens",
		OptionTopLogprobs: "top_logprobs",
		OptionTools:       "tools functions",
		OptionPrediction:  "prediction",
		OptionPlain: "tool_choice function_call parallel_tool_calls reasoning_effort reasoning include_reasoning " +
			"separate_reasoning stream_reasoning reasoning_format thinking thinking_token_budget verbosity modalities " +
			"audio web_search_options chat_template_kwargs add_generation_prompt continue_final_message documents " +
			"mm_processor_kwargs media_io_kwargs",
	})
}

func openAICompletionOptions() map[string]Option {
	return compileOptions(openAISampling(), map[Option]string{
		OptionText:  "prompt",
		OptionPlain: "suffix",
	})
}

func openAIEmbeddingOptions() map[string]Option {
	return compileOptions(map[Option]string{
		OptionModel:      "model",
		OptionText:       "input",
		OptionDimensions: "dimensions",
		OptionPlain: "encoding_format user truncate_prompt_tokens truncate add_special_tokens request_id " +
			"safety_identifier input_type",
		OptionPriority: "priority",
	})
}
