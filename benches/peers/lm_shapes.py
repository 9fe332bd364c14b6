"""The model shapes that the language-model benchmarks use, with random weights, and a plain PyTorch Llama beside that of transformers.

| name | shape | parameters |
|---|---|---|
| llama5.8m | dim 256, 6 layers, 8 heads, ffn 688, vocabulary 4096, head tied to the embedding | 5,795,072 |
| llama6.8m | the same, head of its own | 6,843,648 |
| stories260k | dim 64, 5 layers, 8 heads, 4 key-value heads, ffn 172, vocabulary 512, tied | 260,032 |
| gpt2-124m | dim 768, 12 layers, 12 heads, vocabulary 50257, tied | 124,439,808 |
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig


def llama(dim, layers, heads, kv_heads, ffn, vocab, tied):
    return LlamaConfig(hidden_size=dim, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads, intermediate_size=ffn,
                       vocab_size=vocab, tie_word_embeddings=tied, max_position_embeddings=1024, bos_token_id=1, eos_token_id=2, pad_token_id=0)


CONFIGS = {
    "llama5.8m": llama(256, 6, 8, 8, 688, 4096, True),
    "llama6.8m": llama(256, 6, 8, 8, 688, 4096, False),
    "stories260k": llama(64, 5, 8, 4, 172, 512, True),
    "gpt2-124m": GPT2Config(bos_token_id=1, eos_token_id=2, pad_token_id=0, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0),
}


def model(name):
    return AutoModelForCausalLM.from_config(CONFIGS[name], attn_implementation="sdpa", dtype=torch.float32)


def parameters(module):
    return sum(weight.numel() for weight in module.parameters())


def tokens(name, rows, columns):
    return torch.randint(3, CONFIGS[name].vocab_size, (rows, columns))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads, self.width = c.num_attention_heads, c.num_key_value_heads, c.hidden_size // c.num_attention_heads
        self.norm1, self.norm2 = nn.RMSNorm(c.hidden_size, eps=1e-5), nn.RMSNorm(c.hidden_size, eps=1e-5)
        self.qkv = nn.Linear(c.hidden_size, (self.heads + 2 * self.kv_heads) * self.width, bias=False)
        self.out = nn.Linear(c.hidden_size, c.hidden_size, bias=False)
        self.gate_up = nn.Linear(c.hidden_size, 2 * c.intermediate_size, bias=False)
        self.down = nn.Linear(c.intermediate_size, c.hidden_size, bias=False)

    def forward(self, x, cos, sin):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, -1, self.width).transpose(1, 2).split([self.heads, self.kv_heads, self.kv_heads], 1)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, d))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class PlainLlama(nn.Module):
    """As one would write it by hand: fused QKV and gate-up, nn.RMSNorm, scaled_dot_product_attention."""

    def __init__(self, c):
        super().__init__()
        self.embed = nn.Embedding(c.vocab_size, c.hidden_size)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.num_hidden_layers))
        self.norm = nn.RMSNorm(c.hidden_size, eps=1e-5)
        self.head = nn.Linear(c.hidden_size, c.vocab_size, bias=False)
        if c.tie_word_embeddings:
            self.head.weight = self.embed.weight
        width = c.hidden_size // c.num_attention_heads
        angles = torch.outer(torch.arange(c.max_position_embeddings), 10000.0 ** (-torch.arange(0, width, 2) / width))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        for weight in self.parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, std=0.02)

    def forward(self, ids):
        x, t = self.embed(ids), ids.shape[1]
        for block in self.blocks:
            x = block(x, self.cos[:t], self.sin[:t])
        return self.head(self.norm(x))
