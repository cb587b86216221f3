"""The tokenizer of a checkpoint, built from its GGUF file with Hugging Face's `tokenizers`."""

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

CONTROL = 3


class CheckpointTokenizer:
    """Byte-level BPE with the pre-tokenizer `smollm`, which both checkpoints of the tests have."""

    def __init__(self, path):
        fields = GGUFReader(path).fields
        value = lambda key: fields[f"tokenizer.ggml.{key}"].contents()
        if value("pre") != "smollm":
            raise ValueError(f"{path}: the pre-tokenizer is {value('pre')}; expected smollm")
        tokens, types = value("tokens"), [int(kind) for kind in value("token_type")]
        merges = [tuple(merge.split(" ")) for merge in value("merges")]
        bpe = models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges)
        self.inner = Tokenizer(bpe)
        self.inner.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        control = [token for token, kind in zip(tokens, types) if kind == CONTROL]
        self.inner.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
        known = lambda key: int(value(key)) if f"tokenizer.ggml.{key}" in fields else None
        eos = known("eos_token_id")
        self.prefix_token_id = known("bos_token_id") if known("bos_token_id") is not None else eos

    def encode(self, text):
        return self.inner.encode(text, add_special_tokens=False).ids
