"""Writes expected.json: what transformers makes of cases.json with each template here, or null where it refuses.

    pip install transformers==5.24.0 jinja2==3.1.6 numpy
    python make_expected.py

As `HFLM.apply_chat_template` of lm-evaluation-harness 0.4.13: `continue_final_message` where no generation prompt is added,
and a second try without the system messages after a template error.
"""

import json
from pathlib import Path

import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

HERE = Path(__file__).parent


def render(template, messages, prompt):
    texts, _ = render_jinja_template(
        [messages],
        chat_template=template,
        add_generation_prompt=prompt,
        continue_final_message=not prompt,
        bos_token="<s>",
        eos_token="</s>",
    )
    return texts[0]


def expected(template, case, prompt):
    messages = [{"role": role, "content": content} for role, content in case]
    try:
        try:
            return render(template, messages, prompt)
        except jinja2.exceptions.TemplateError:
            rest = [message for message in messages if message["role"] != "system"]
            return render(template, rest, prompt)
    except (jinja2.exceptions.TemplateError, ValueError):
        return None


cases = json.loads((HERE / "cases.json").read_text())
results = {
    path.stem: [[expected(path.read_text(), case, prompt) for prompt in (True, False)] for case in cases]
    for path in sorted(HERE.glob("*.jinja"))
}
(HERE / "expected.json").write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n")
