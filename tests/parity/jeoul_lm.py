"""A model of lm-evaluation-harness that asks the command: `jeoul score` and `jeoul generate --json`."""

import json
import subprocess

from lm_eval.api.model import LM


class JeoulLM(LM):
    """One checkpoint, on the CPU lane. Every kind of request is one call of the command."""

    def __init__(self, command, checkpoint):
        super().__init__()
        self.command = command
        self.checkpoint = checkpoint

    def ask(self, verb, flags, items):
        arguments = [self.command, verb, "--model", self.checkpoint, *flags]
        done = subprocess.run(arguments, input=json.dumps(items), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr}")
        return json.loads(done.stdout)

    def loglikelihood(self, requests, disable_tqdm=False):
        pairs = [dict(zip(("context", "continuation"), request.args)) for request in requests]
        return [(answer["logprob"], answer["is_greedy"]) for answer in self.ask("score", ["--pairs", "-"], pairs)]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        texts = [{"text": request.args[0], "rolling": True} for request in requests]
        return [answer["logprob"] for answer in self.ask("score", ["--pairs", "-"], texts)]

    def generate_until(self, requests, disable_tqdm=False):
        items = [{"context": request.args[0], **request.args[1]} for request in requests]
        return [answer["text"] for answer in self.ask("generate", ["--json", "--requests", "-"], items)]
