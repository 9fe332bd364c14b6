"""The tiny random models: one entry a family, every feature of the family switched on and visible in the numbers.

`FAMILIES[name]` is a `Family`: its configuration (causal), the switches that its logits must feel (`ablations`: a change of the configuration that keeps
the weights), and how it is saved. `HEADS[name]` is the same for sequence classification. `build` makes the model with its seeded weights:
matrices N(0, 0.2²), embeddings N(0, 0.5²), biases N(0, 0.2²), norm weights N(1, 0.2²) (Gemma 2, whose norm multiplies by 1 + w: N(0, 0.2²)).
Matrices are then rounded to what bf16 can hold (half the bytes in git) except in `llama3`, which uses every bit; in `qwen2`, which is saved in bf16,
vectors are rounded too. Sizes are odd on purpose (head width 6, vocabulary 97 or 101): tails must work.
"""

import dataclasses
import zlib

import torch
from transformers import Gemma2Config, GPT2Config, GPTNeoXConfig, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

SPECIAL = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
# dim 24, four heads of 6, two key-value heads.
DECODER = SPECIAL | {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 36,
                     "max_position_embeddings": 256, "tie_word_embeddings": False}
SMALL = DECODER | {"hidden_size": 16, "intermediate_size": 20, "num_attention_heads": 2, "num_key_value_heads": 1}


@dataclasses.dataclass
class Family:
    config: object
    ablations: dict = dataclasses.field(default_factory=dict)
    bf16: bool = False  # saved in bf16
    every_bit: bool = False  # matrices are not rounded to bf16's grid
    shard: str | None = None  # saved in shards of this size, with an index


def rope(theta, **more):
    return {"rope_type": "default", "rope_theta": theta} | more


# Wavelengths at theta 50 and head width 8: 6.3, 17, 44, 118. With these bounds (32/4 = 8 and 32/1 = 32) the first stays, the second is blended, the last
# two are divided by the factor: all three branches of the scaling.
LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 50.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 32}
LLAMA3_BLENDLESS = LLAMA3_ROPE | {"low_freq_factor": 1.0, "high_freq_factor": 1.0001}


def gemma2(small=False):
    base = SMALL if small else DECODER
    return Gemma2Config(vocab_size=97, head_dim=8, query_pre_attn_scalar=12, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, sliding_window=6,
                        hidden_activation="gelu_pytorch_tanh", rope_parameters=rope(100.0), rms_norm_eps=1e-6, **base | {"tie_word_embeddings": True})


def gpt2(dim, heads, **more):
    return GPT2Config(vocab_size=97, n_positions=48, n_embd=dim, n_layer=2, n_head=heads, n_inner=None, activation_function="gelu_new",
                      resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **SPECIAL, **more)


def neox(dim, heads, parallel, **more):
    return GPTNeoXConfig(vocab_size=97, hidden_size=dim, num_hidden_layers=2, num_attention_heads=heads, intermediate_size=2 * dim, hidden_act="gelu",
                         max_position_embeddings=256, use_parallel_residual=parallel, attention_bias=True, tie_word_embeddings=False,
                         rope_parameters=rope(100.0, partial_rotary_factor=0.5), **SPECIAL, **more)


FAMILIES = {
    "llama2": Family(
        LlamaConfig(vocab_size=97, rms_norm_eps=1e-5, rope_parameters=rope(10000.0), **DECODER | {"num_key_value_heads": 4}),
        {"theta": {"rope_parameters": rope(100.0)}, "eps": {"rms_norm_eps": 1e-2}}, shard="40KB"),
    "llama3": Family(
        LlamaConfig(vocab_size=101, rms_norm_eps=1e-5, rope_parameters=LLAMA3_ROPE, **DECODER | {"hidden_size": 32, "intermediate_size": 40}),
        {"unscaled": {"rope_parameters": rope(50.0)}, "no blend": {"rope_parameters": LLAMA3_BLENDLESS}}, every_bit=True),
    "mistral": Family(
        MistralConfig(vocab_size=97, sliding_window=5, rope_parameters=rope(10000.0), rms_norm_eps=1e-5, **DECODER),
        {"no window": {"sliding_window": None}, "window 4": {"sliding_window": 4}}),
    "qwen2": Family(
        Qwen2Config(vocab_size=97, use_sliding_window=False, rope_parameters=rope(10000.0), rms_norm_eps=1e-6, **DECODER), bf16=True),
    "qwen3": Family(
        Qwen3Config(vocab_size=97, head_dim=10, attention_bias=False, use_sliding_window=False, rope_parameters=rope(10000.0), rms_norm_eps=1e-6, **DECODER)),
    "gemma2": Family(
        gemma2(),
        {"attention cap": {"attn_logit_softcapping": None}, "final cap": {"final_logit_softcapping": None}, "scalar": {"query_pre_attn_scalar": 8},
         "window 5": {"sliding_window": 5}, "order of layers": {"layer_types": ["full_attention", "sliding_attention"]},
         "activation": {"hidden_activation": "gelu"}}),
    "gpt2": Family(gpt2(24, 3), {"activation": {"activation_function": "gelu"}, "heads": {"n_head": 4}}),
    "gpt_neox": Family(
        neox(24, 3, parallel=True),
        {"sequential": {"use_parallel_residual": False}, "all rotary": {"rope_parameters": rope(100.0, partial_rotary_factor=1.0)},
         "activation": {"hidden_act": "gelu_new"}}),
    "gpt_neox_sequential": Family(neox(24, 3, parallel=False), {"parallel": {"use_parallel_residual": True}}),
}

HEADS = {
    "llama_cls": Family(LlamaConfig(vocab_size=61, num_labels=1, rope_parameters=rope(10000.0), **SMALL)),
    "mistral_cls": Family(MistralConfig(vocab_size=61, num_labels=1, sliding_window=5, rope_parameters=rope(10000.0), **SMALL)),
    "qwen2_cls": Family(Qwen2Config(vocab_size=61, num_labels=1, rope_parameters=rope(10000.0), **SMALL)),
    "qwen3_cls": Family(Qwen3Config(vocab_size=61, num_labels=2, head_dim=6, rope_parameters=rope(10000.0), **SMALL)),
    "gemma2_cls": Family(gemma2(small=True)),
    "gpt2_cls": Family(gpt2(16, 2, num_labels=3)),
    "gpt_neox_cls": Family(neox(16, 2, parallel=True, num_labels=1)),
}
HEADS["gemma2_cls"].config.num_labels = 1


def is_norm(name):
    return "norm" in name or "ln_" in name


def build(name, family):
    """The model of a family with its weights, in f32, eager attention, evaluation mode."""
    auto = AutoModelForSequenceClassification if name in HEADS else AutoModelForCausalLM
    model = auto.from_config(family.config, attn_implementation="eager").float().eval()
    draw = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    centre = 0.0 if name.startswith("gemma2") else 1.0
    with torch.no_grad():
        for key, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=draw)
            if is_norm(key) and key.endswith("weight"):
                weight.copy_(centre + 0.2 * noise)
            elif any(part in key for part in ("embed", "wte", "wpe")):
                weight.copy_(0.5 * noise)
            else:
                weight.copy_(0.2 * noise)
            if family.bf16 or (weight.ndim > 1 and not family.every_bit):
                weight.copy_(weight.bfloat16())
    return model


def ablated(name, family, change):
    """The same weights under a changed configuration."""
    import copy

    config = copy.deepcopy(family.config)
    for key, value in change.items():
        setattr(config, key, value)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    model.load_state_dict(build(name, family).state_dict())
    return model
