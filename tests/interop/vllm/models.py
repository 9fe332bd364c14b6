"""Two tiny random models for a real server: a policy with a chat template, and a reward model with one label.

Run:  python models.py FOLDER          writes FOLDER/policy and FOLDER/reward
"""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

TEXT = [
    "the cat sat on the mat and the dog ran over the hill",
    "a small bird flew under the old roof of a good house, and then it sang",
    "what is a quantile? the share of the others that a value beats",
    "user: tell me a story. assistant: once there was a fox in the wood",
]
TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level pieces of the letters above, so that every sampled text is ASCII; a text begins with <s>."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    letters = "".join(map(chr, range(32, 127))) + "\n"
    made.train_from_iterator([letters, *TEXT], trainers.BpeTrainer(vocab_size=256, special_tokens=["<s>", "</s>", "<pad>"], show_progress=False))
    made.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    fast.chat_template = TEMPLATE
    return fast


def main() -> None:
    folder, words = Path(sys.argv[1]), tokenizer()
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=512, bos_token_id=0, eos_token_id=1, pad_token_id=2, num_labels=1, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    for name, kind in (("policy", LlamaForCausalLM), ("reward", LlamaForSequenceClassification)):
        model = kind(config)
        if name == "reward":
            model.score.weight.data *= 400  # rewards of some units, so that a sigmoid shows
        model.save_pretrained(folder / name)
        words.save_pretrained(folder / name)


if __name__ == "__main__":
    main()
