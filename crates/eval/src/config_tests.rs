//! Tests of [`crate::config`]: every key, and what a wrong one says.

use super::*;
use crate::metrics::Aggregation;
use crate::python;

const GOOD: &str =
    "task: t\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: c\n";

fn parse(text: &str) -> Result<TaskConfig, String> {
    let source = Source {
        name: "t.yaml",
        text,
    };
    TaskConfig::read(source, &Files::new()).map_err(|e| e.to_string())
}

#[track_caller]
fn refuses(addition: &str, message: &str) {
    assert_eq!(
        parse(&format!("{GOOD}{addition}")).map(|_| ()),
        Err(message.into())
    );
}

#[test]
fn what_is_left_out_is_as_in_the_harness() {
    let config = parse(GOOD).unwrap();
    assert_eq!(
        (
            config.form.target_delimiter.as_str(),
            config.form.fewshot_delimiter.as_str()
        ),
        (" ", "\n\n")
    );
    let metrics: Vec<_> = config
        .metrics
        .iter()
        .map(|metric| {
            (
                metric.name.as_str(),
                metric.aggregation,
                metric.higher_is_better,
            )
        })
        .collect();
    assert_eq!(
        metrics,
        [
            ("acc", Aggregation::Mean, true),
            ("acc_norm", Aggregation::Mean, true)
        ]
    );
    assert_eq!(config.filters.len(), 1);
    assert_eq!(
        (config.num_fewshot, config.sampler),
        (None, Sampler::Default)
    );
    assert_eq!(config.version(), "Yaml");
}

#[test]
fn all_forms_of_the_rules_are_read() {
    let text = "task: t\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: 1\ndoc_to_choice: {a: x, b: y}\n\
                fewshot_config: {sampler: first_n, split: dev}\nmetadata: {version: 1.0}\ndescription: null\n";
    let config = parse(text).unwrap();
    assert!(matches!(config.form.doc_to_target, Rule::Index(1)));
    let Some(Rule::List(choices)) = &config.form.doc_to_choice else {
        panic!("{:?}", config.form)
    };
    assert_eq!(choices.as_slice(), ["x", "y"]);
    assert_eq!(
        (config.sampler, config.fewshot_split.as_deref()),
        (Sampler::FirstN, Some("dev"))
    );
    assert_eq!(python::str_of(&config.version()), "1.0");
}

#[test]
fn an_unsupported_key_is_named_with_its_line() {
    let error = parse(&format!("{GOOD}use_prompt: x\n")).unwrap_err();
    assert!(
        error.starts_with("`t.yaml` line 6: `use_prompt` is not supported; allowed: task, "),
        "{error}"
    );
    let error = parse(&format!("{GOOD}fewshot_config:\n  fewshot_indices: []\n")).unwrap_err();
    let start = "`t.yaml` line 7: `fewshot_config.fewshot_indices` is not supported; allowed: sampler, split";
    assert!(error.starts_with(start), "{error}");
    refuses(
        "metric_list:\n  - metric: acc\n    ignore_case: true\n",
        "`t.yaml` line 8: `metric_list.ignore_case` is not supported; allowed: metric, aggregation, higher_is_better",
    );
}

#[test]
fn a_wrong_value_is_named_with_what_is_allowed() {
    refuses(
        "num_fewshot: -1\n",
        "`t.yaml` line 6: `num_fewshot` is `-1`; allowed: a whole number from 0",
    );
    refuses(
        "description: [a]\n",
        "`t.yaml` line 6: `description` is a list; allowed: text",
    );
    refuses(
        "repeats: 2\n",
        "`t.yaml` line 6: `repeats` is `2`; allowed: 1, or more for generate_until",
    );
    refuses(
        "metric_list:\n  - metric: bleu\n",
        "`t.yaml` line 7: `metric_list.metric` is `bleu`; allowed: acc, acc_norm, acc_bytes, acc_mutual_info, exact_match, f1, mcc or brier_score",
    );
    refuses(
        "metric_list:\n  - metric: acc\n    aggregation: mode\n",
        "`t.yaml` line 8: `metric_list.aggregation` is `mode`; allowed: mean, nanmean, median, perplexity, weighted_perplexity, bits_per_byte, f1, matthews_corrcoef, brier_score, bleu, chrf, chrf++, or a function that is built in",
    );
    refuses(
        "fewshot_config:\n  sampler: balanced\n",
        "`t.yaml` line 7: `fewshot_config.sampler` is `balanced`; allowed: default or first_n",
    );
    refuses(
        "process_results: !function utils.f\n",
        "`t.yaml` line 6: `process_results` is `!function utils.f`; allowed: `!function` with a function of the harness that is built in (see ARCHITECTURE.md)",
    );
    refuses(
        "process_docs: x\n",
        "`t.yaml` line 6: `process_docs` is `x`; allowed: `!function` with a function of the harness that is built in (see ARCHITECTURE.md)",
    );
    let rank = GOOD.replace("multiple_choice", "rank");
    let error = "`t.yaml` line 2: `output_type` is `rank`; allowed: multiple_choice, loglikelihood, loglikelihood_rolling or generate_until";
    assert_eq!(parse(&rank).map(|_| ()), Err(error.into()));
    let slash = GOOD.replace("task: t", "task: ../t");
    assert!(
        parse(&slash)
            .unwrap_err()
            .starts_with("`t.yaml` line 1: `task` is `../t`; allowed: a name without")
    );
}

#[test]
fn a_missing_key_is_named() {
    let text = GOOD.replace("doc_to_choice: c\n", "");
    assert_eq!(
        parse(&text).map(|_| ()),
        Err("`t.yaml`: `doc_to_choice` is missing".into())
    );
}

#[test]
fn examples_may_have_rules_and_texts_of_their_own() {
    let text = format!(
        "{GOOD}fewshot_config:\n  samples: [{{q: x, a: 0}}, {{q: y, a: 1}}]\n  doc_to_text: other\n  target_delimiter: '='\n"
    );
    let config = parse(&text).unwrap();
    assert_eq!(config.samples.as_ref().map(Vec::len), Some(2));
    assert_eq!(config.examples_split(), None);
    assert_eq!(config.fewshot_form.target_delimiter, "=");
    assert_eq!(config.form.target_delimiter, " ");
    assert!(matches!(&config.fewshot_form.doc_to_text, Rule::Text(text) if text == "other"));
}

#[test]
fn settings_that_do_not_fit_the_output_are_refused() {
    refuses(
        "generation_kwargs: {until: []}\n",
        "`t.yaml` line 6: `generation_kwargs` is a mapping; allowed: left out, unless output_type is generate_until",
    );
    refuses(
        "filter_list: []\n",
        "`t.yaml` line 6: `filter_list` is a list; allowed: at least one filter",
    );
}
