"""A language model without weights: its answers are hashes of the tokens it reads.

`crates/eval/tests/parity.rs` holds the same model. Equal answers on both sides mean equal prompts and equal token splits, and
then every difference in a score is one of filters, metrics or statistics.
"""

import hashlib
import struct

from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import postprocess_generated_text
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

# Words that filters and metrics of the tasks look for, and some that they must not mistake.
WORDS = [
    "42", "#### 7", "$1,234.50", "-3", "yes", "no", "(B)", "B", "\n", "Question:", "예", "아니오", "긍정", "부정", "참",
    "거짓", "중립", "함의", "모순", "1", "3.5", "4점", ".", "the", "Answer:", "A. ", "답은", "'x'", "\n\n", "스포츠",
]  # fmt: skip


def digest(tokens):
    return hashlib.sha256(struct.pack(f"<{len(tokens)}I", *tokens)).digest()


class HashModel(TemplateLM):
    """Log-probabilities are multiples of 1/256, so that sums are exact in every order and precision."""

    backend = "causal"

    def __init__(self, tokenizer, max_length):
        super().__init__()
        self.tokenizer = tokenizer
        self.max_length = max_length

    @property
    def eot_token_id(self):
        return self.tokenizer.prefix_token_id

    @property
    def prefix_token_id(self):
        return self.tokenizer.prefix_token_id

    def tok_encode(self, string, add_special_tokens=None, **kwargs):
        return self.tokenizer.encode(string)

    def score(self, context, continuation):
        kept = (context + continuation)[-(self.max_length + 1) :]
        context = kept[: len(kept) - len(continuation)]
        total, greedy = 0.0, True
        for end in range(1, len(continuation) + 1):
            number = int.from_bytes(digest(context + continuation[:end])[:4], "little")
            total -= (number % 4096) / 256
            greedy = greedy and number % 3 > 0
        return total, greedy

    def loglikelihood(self, requests, disable_tqdm=True):
        return super().loglikelihood(requests, disable_tqdm=True)

    def _loglikelihood_tokens(self, requests, **kwargs):
        return [self.score(context, continuation) for _, context, continuation in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        totals = []
        for request in requests:
            tokens = self.tok_encode(request.args[0])
            windows = get_rolling_token_windows(tokens, self.prefix_token_id, self.max_length, 1)
            totals.append(sum(self.score(*make_disjoint_window(window))[0] for window in windows))
        return totals

    def generate_until(self, requests, disable_tqdm=False):
        texts = []
        for request in requests:
            context, settings = request.args
            hashed = digest(self.tok_encode(context)[-(self.max_length - settings.get("max_gen_toks", 256)) :])
            own = context.split()
            words = []
            for byte in hashed[1 : 2 + hashed[0] % 12]:
                pool = own if byte % 4 == 0 and own else WORDS
                words.append(pool[byte % len(pool)])
            until = settings.get("until", [])
            until = until if isinstance(until, list) else [until]
            texts.append(postprocess_generated_text(" ".join(words), until, None))
        return texts

    def apply_chat_template(self, chat_history, add_generation_prompt=True):
        lines = [f"<|{message['role']}|>{message['content']}" for message in chat_history]
        return "\n".join(lines) + ("\n<|assistant|>" if add_generation_prompt else "")

    def chat_template(self, chat_template=False):
        return "parity"

    @property
    def tokenizer_name(self):
        return "parity"
