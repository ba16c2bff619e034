"""How is a model file made that is real to llama.cpp, tiny, and the same every time?

A llama of one layer with random weights, as GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); what it
says is nonsense. One hidden dimension is constant and serves as a bias of each token, so that it picks words rather
than bytes, and ends by itself.
"""

import random
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path

EMBD, FF, HEADS, LAYERS, CONTEXT, SEED = 32, 64, 2, 1, 4096, 7
Tensor = tuple[tuple[int, ...], "array[float]"]  # shape, fastest dimension first, and values
UNK, BOS, EOS = 0, 1, 2
NORMAL, UNKNOWN, CONTROL, USER, BYTE = 1, 2, 3, 4, 6  # llama.cpp's token types
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9  # GGUF's value types
ALIGN = 32
BIAS_IN = 8.0  # the constant dimension's value in every embedding
WORDS = "the a of and to in is it you that he was for on are with as his they at be this café 日本 🙂"
TEMPLATE = """\
{%- if tools %}{{ 'tools: ' + tools | tojson + '\\n' }}{% endif %}
{%- for m in messages %}{{ m.role + ': ' }}{% if m.content %}{{ m.content }}{% endif %}
{%- for call in m.tool_calls or [] %}{{ '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- (call.function.arguments | tojson) + '}\\n</tool_call>' }}{% endfor %}{{ '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"""


def vocabulary() -> list[tuple[str, float, int, float]]:
    """Each token's text, score, type and output bias: the byte-fallback layout of SentencePiece."""
    tokens = [("<unk>", 0.0, UNKNOWN, -8.0), ("<s>", 0.0, CONTROL, -8.0), ("</s>", 0.0, CONTROL, 0.0)]
    tokens += [(f"<0x{byte:02X}>", 0.0, BYTE, -8.0) for byte in range(256)]
    tokens += [(f"\u2581{word}", -1.0 - rank, NORMAL, 0.0) for rank, word in enumerate(WORDS.split())]
    chars = ["\u2581", *map(chr, range(0x21, 0x7F))]
    tokens += [(char, -100.0 - rank, NORMAL, -1.0) for rank, char in enumerate(chars)]
    return tokens + [(tag, 0.0, USER, -8.0) for tag in ("<tool_call>\n", "\n</tool_call>")]


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _scalar(kind: int, value: object) -> bytes:
    if kind == STRING:
        return _string(str(value))
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], value)


def _pair(key: str, kind: int, value: object) -> bytes:
    return _string(key) + struct.pack("<I", kind) + _scalar(kind, value)


def _list(key: str, kind: int, values: Sequence[object]) -> bytes:
    items = b"".join(_scalar(kind, value) for value in values)
    return _string(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + items


def _tensors(biases: Sequence[float]) -> dict[str, Tensor]:
    """Row 0 of what is added back to the hidden state is zero, which keeps dimension 0 constant."""
    rng = random.Random(SEED)

    def matrix(columns: int, rows: int, scale: float) -> "array[float]":
        return array("f", [rng.gauss(0.0, scale) for _ in range(columns * rows)])

    def silent(columns: int, rows: int, scale: float) -> "array[float]":
        values = matrix(columns, rows, scale)
        values[:columns] = array("f", bytes(4 * columns))
        return values

    vocab = len(biases)
    embedding, output = matrix(EMBD, vocab, 1.0), matrix(EMBD, vocab, 0.4)
    for token, bias in enumerate(biases):
        embedding[token * EMBD] = BIAS_IN
        output[token * EMBD] = bias
    ones = array("f", [1.0] * EMBD)
    tensors: dict[str, Tensor] = {"token_embd.weight": ((EMBD, vocab), embedding)}
    for layer in range(LAYERS):
        at = f"blk.{layer}."
        tensors[at + "attn_norm.weight"] = ((EMBD,), ones)
        for name in ("attn_q", "attn_k", "attn_v"):
            tensors[f"{at}{name}.weight"] = ((EMBD, EMBD), matrix(EMBD, EMBD, 0.15))
        tensors[at + "attn_output.weight"] = ((EMBD, EMBD), silent(EMBD, EMBD, 0.15))
        tensors[at + "ffn_norm.weight"] = ((EMBD,), ones)
        tensors[at + "ffn_gate.weight"] = ((EMBD, FF), matrix(EMBD, FF, 0.15))
        tensors[at + "ffn_up.weight"] = ((EMBD, FF), matrix(EMBD, FF, 0.15))
        tensors[at + "ffn_down.weight"] = ((FF, EMBD), silent(FF, EMBD, 0.15))
    return tensors | {"output_norm.weight": ((EMBD,), ones), "output.weight": ((EMBD, vocab), output)}


def write(path: Path) -> None:
    """Write the model to `path`; the same bytes every time."""
    texts, scores, types, biases = zip(*vocabulary(), strict=True)
    numbers = {"context_length": CONTEXT, "embedding_length": EMBD, "block_count": LAYERS,
               "feed_forward_length": FF, "attention.head_count": HEADS,
               "rope.dimension_count": EMBD // HEADS, "vocab_size": len(texts)}  # fmt: skip
    ids = {"bos_token_id": BOS, "eos_token_id": EOS, "unknown_token_id": UNK}
    pairs = [_pair("general.architecture", STRING, "llama"), _pair("general.name", STRING, "tiny-random")]
    pairs += [_pair(f"llama.{key}", U32, number) for key, number in numbers.items()]
    pairs += [_pair("llama.attention.layer_norm_rms_epsilon", F32, 1e-5)]
    pairs += [_pair("tokenizer.ggml.model", STRING, "llama"), _list("tokenizer.ggml.tokens", STRING, texts)]
    pairs += [_list("tokenizer.ggml.scores", F32, scores), _list("tokenizer.ggml.token_type", I32, types)]
    pairs += [_pair(f"tokenizer.ggml.{key}", U32, token) for key, token in ids.items()]
    pairs += [_pair("tokenizer.ggml.add_bos_token", BOOL, True), _pair("tokenizer.ggml.add_space_prefix", BOOL, False)]
    pairs += [_pair("tokenizer.chat_template", STRING, TEMPLATE)]
    tensors, infos, data = _tensors(biases), b"", b""
    for name, (shape, values) in tensors.items():
        infos += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += values.tobytes().ljust(-(-4 * len(values) // ALIGN) * ALIGN, b"\0")
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(pairs)) + b"".join(pairs) + infos
    path.write_bytes(head.ljust(-(-len(head) // ALIGN) * ALIGN, b"\0") + data)
