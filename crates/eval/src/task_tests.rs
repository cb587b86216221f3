//! Tests of [`crate::task`]: prompts as the harness builds them, and every way a task can be wrong.

use crate::config::TaskConfig;
use crate::error::TaskError;
use crate::origin::OriginKind;
use crate::prompt::plain;
use crate::run::RunOptions;
use crate::task::{DataFiles, Question, Source, Task};
use crate::yaml::Files;

const TASK: &str = "\
task: t
test_split: test
output_type: multiple_choice
doc_to_text: \"Q: {{q}}\\nA:\"
doc_to_target: \"{{options.index(a)}}\"
doc_to_choice: options
";
const DOCUMENTS: &str = r#"{"q": "1+1?", "options": ["1", "2"], "a": "2"}
{"q": "색은?", "options": ["빨강", "파랑", "노랑"], "a": "빨강"}
{"q": "2+2?", "options": ["4", "5"], "a": "4"}
"#;

fn read(task: &str, documents: &str, fewshot: Option<&str>) -> Result<Task, TaskError> {
    Task::from_files(
        Source {
            name: "t.yaml",
            text: task,
        },
        Source {
            name: "d.jsonl",
            text: documents,
        },
        fewshot.map(|text| Source {
            name: "f.jsonl",
            text,
        }),
    )
}

fn shots(shots: u32) -> RunOptions {
    RunOptions {
        num_fewshot: Some(shots),
        ..RunOptions::default()
    }
}

/// Prompts as plain text, one for each document or for each of its choices.
fn contexts(task: &Task, count: u32) -> Vec<String> {
    let prompts = task.prompts(&shots(count)).unwrap();
    let questions = |prompt: &crate::prompt::Prompt<'_>| {
        let context = prompt.fewshot_context();
        let questions = prompt.questions().into_iter();
        questions
            .map(|question| format!("{context}{}", plain(&question)))
            .collect::<Vec<_>>()
    };
    prompts.iter().flat_map(questions).collect()
}

#[track_caller]
fn refuses(task: &str, documents: &str, message: &str) {
    assert_eq!(
        read(task, documents, None)
            .map(|_| ())
            .map_err(|e| e.to_string()),
        Err(message.into())
    );
}

#[test]
fn a_document_is_rendered_by_templates_and_fields() {
    let task = read(TASK, DOCUMENTS, None).unwrap();
    let document = &task.documents()[1];
    assert_eq!(document.question, Question::Text("Q: 색은?\nA:".into()));
    assert_eq!(document.choices, ["빨강", "파랑", "노랑"]);
    assert_eq!(
        (document.gold.as_slice(), document.printed_target().as_str()),
        (&[0][..], "0")
    );
    assert_eq!(contexts(&task, 0)[0], "Q: 1+1?\nA:");
}

#[test]
fn examples_stand_before_the_question_with_their_answers() {
    let task = format!(
        "{TASK}description: \"Topic {{{{q}}}}.\\n\"\nfewshot_config:\n  sampler: first_n\n  split: dev\n"
    );
    let fewshot = r#"{"q": "x?", "options": ["a", "b"], "a": "b"}"#;
    let task = read(&task, DOCUMENTS, Some(fewshot)).unwrap();
    assert_eq!(
        contexts(&task, 1)[0],
        "Topic 1+1?.\nQ: x?\nA: b\n\nQ: 1+1?\nA:"
    );
    assert_eq!(task.max_fewshot(), 1);
}

#[test]
fn delimiters_are_those_of_the_task() {
    let task = format!(
        "{TASK}target_delimiter: \"=\"\nfewshot_delimiter: \" | \"\nfewshot_config: {{sampler: first_n}}\n"
    );
    let task = read(&task, DOCUMENTS, None).unwrap();
    assert_eq!(contexts(&task, 1)[1], "Q: 1+1?\nA:=2 | Q: 색은?\nA:");
}

#[test]
fn a_document_is_never_its_own_example() {
    for sampler in ["default", "first_n"] {
        let task = read(
            &format!("{TASK}fewshot_config: {{sampler: {sampler}}}\n"),
            DOCUMENTS,
            None,
        )
        .unwrap();
        assert_eq!(task.max_fewshot(), 2);
        for prompt in task
            .prompts(&RunOptions {
                seed: 7,
                ..shots(2)
            })
            .unwrap()
        {
            let context = prompt.fewshot_context();
            assert_eq!(context.matches("Q: ").count(), 2);
            let Question::Text(question) = &prompt.document.question else {
                panic!("{context}")
            };
            assert!(!context.contains(question), "{context}");
        }
    }
}

#[test]
fn more_examples_than_there_are_is_an_error() {
    let task = read(TASK, DOCUMENTS, None).unwrap();
    let error = task.prompts(&shots(3)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "task `t` has 2 few-shot examples; 3 were asked for"
    );
}

#[test]
fn a_named_few_shot_split_is_not_replaced_by_the_documents() {
    let task = read(&format!("{TASK}fewshot_split: train\n"), DOCUMENTS, None).unwrap();
    assert_eq!(task.max_fewshot(), 0);
    assert!(task.prompts(&shots(1)).is_err());
}

#[test]
fn shots_of_the_task_file_hold_unless_told_otherwise_and_zero_always() {
    let shots = |line: &str, asked| {
        read(&format!("{TASK}{line}"), DOCUMENTS, None)
            .unwrap()
            .shots(asked)
    };
    assert_eq!((shots("", None), shots("", Some(2))), (0, 2));
    assert_eq!(
        (
            shots("num_fewshot: 1\n", None),
            shots("num_fewshot: 1\n", Some(2))
        ),
        (1, 2)
    );
    assert_eq!(shots("num_fewshot: 0\n", Some(2)), 0);
}

#[test]
fn a_card_tells_what_the_metadata_says() {
    let metadata = "metadata: {version: 2, title: Sums, title_ko: 덧셈, language: en}\n";
    let card = read(&format!("{TASK}{metadata}"), DOCUMENTS, None)
        .unwrap()
        .card();
    assert_eq!(
        (
            card.title.as_str(),
            card.title_ko.as_str(),
            card.language.as_str()
        ),
        ("Sums", "덧셈", "en")
    );
    assert_eq!(card.origin, OriginKind::Local);
    assert!((card.chance.unwrap() - (0.5 + 1.0 / 3.0 + 0.5) / 3.0).abs() < 1e-15);
    let card = read(TASK, DOCUMENTS, None).unwrap().card();
    assert_eq!((card.title.as_str(), card.language.as_str()), ("t", "und"));
}

#[test]
fn choices_may_be_a_template_or_fixed() {
    let choices = |rule: &str| {
        let task = TASK
            .replace("doc_to_choice: options", rule)
            .replace("\"{{options.index(a)}}\"", "0");
        read(&task, DOCUMENTS, None)
            .map(|task| task.documents()[0].choices.clone())
            .map_err(|e| e.to_string())
    };
    assert_eq!(
        choices("doc_to_choice: \"{{[options[1], q]}}\"").unwrap(),
        ["2", "1+1?"]
    );
    assert_eq!(
        choices("doc_to_choice: ['no', 'yes']").unwrap(),
        ["no", "yes"]
    );
    assert_eq!(
        choices("doc_to_choice: \"{{q}}\"").unwrap_err(),
        "`d.jsonl` line 1: `doc_to_choice` gives \"1+1?\", where character 0 is '1'; expected a list such as \
         ['a', 'b']; allowed: a list of texts"
    );
}

#[test]
fn the_target_may_be_a_field_with_an_index_a_text_or_a_truth() {
    let gold = |value: &str| {
        let documents = format!("{{\"q\": \"x\", \"a\": {value}}}\n");
        let task = "task: t\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: ['no', 'yes']\n";
        let task = read(task, &documents, None).map_err(|e| e.to_string())?;
        let document = &task.documents()[0];
        Ok((document.gold.clone(), document.printed_target()))
    };
    assert_eq!(gold("1"), Ok((vec![1], "1".into())));
    assert_eq!(gold("\"no\""), Ok((vec![0], "no".into())));
    assert_eq!(gold("true"), Ok((vec![1], "True".into())));
    let allowed = "allowed: 0 to 1, or the text of a choice";
    assert_eq!(
        gold("2"),
        Err(format!(
            "`d.jsonl` line 1: `doc_to_target` gives 2; {allowed}"
        ))
    );
    assert_eq!(
        gold("-1"),
        Err(format!(
            "`d.jsonl` line 1: `doc_to_target` gives -1; {allowed}"
        ))
    );
    assert_eq!(
        gold("\"maybe\""),
        Err(format!(
            "`d.jsonl` line 1: `doc_to_target` gives maybe; {allowed}"
        ))
    );
    assert_eq!(gold("[0, 1]"), Ok((vec![0, 1], "[0, 1]".into())));
    assert_eq!(
        gold("[0, 2]"),
        Err(format!(
            "`d.jsonl` line 1: `doc_to_target` gives [0, 2]; {allowed}"
        ))
    );
}

#[test]
fn a_bad_template_is_named_with_file_line_and_key() {
    let broken = TASK.replace("Q: {{q}}", "Q: {{q");
    let error = read(&broken, DOCUMENTS, None).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "`t.yaml` line 4: the template `doc_to_text` cannot be read: syntax error"
        ),
        "{error}"
    );
    let undefined = TASK.replace("{{q}}", "{{question}}");
    let error = read(&undefined, DOCUMENTS, None).unwrap_err().to_string();
    assert!(
        error.starts_with("`d.jsonl` line 1: the template `doc_to_text` fails: undefined value"),
        "{error}"
    );
    let endless = TASK.replace(
        "{{q}}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    );
    let message = "`d.jsonl` line 1: the template `doc_to_text` does not end within 1000000 steps";
    refuses(&endless, DOCUMENTS, message);
}

#[test]
fn a_prompt_that_is_a_number_makes_the_choices_contexts() {
    let task = TASK
        .replace("\"Q: {{q}}\\nA:\"", "\"{{right}}\"")
        .replace("\"{{options.index(a)}}\"", "a");
    let documents = r#"{"right": 1, "options": ["The cat", "The dog"], "a": "barks."}"#;
    let read_one = |documents: &str| read(&task, documents, Some(documents));
    let one = read_one(documents).unwrap();
    assert_eq!(one.documents()[0].gold, [1]);
    assert_eq!(contexts(&one, 0), ["The cat", "The dog"]);
    assert_eq!(contexts(&one, 1)[0], "The dog barks.\n\nThe cat");
    assert_eq!(
        read_one(&documents.replace(": 1", ": 2"))
            .map(|_| ())
            .unwrap_err()
            .to_string(),
        "`d.jsonl` line 1: `doc_to_text` gives `2`; allowed: a text, or the index of a choice"
    );
}

#[test]
fn bad_choices_are_named_with_their_line() {
    let second = |options: &str| {
        format!("{DOCUMENTS}{{\"q\": \"?\", \"options\": {options}, \"a\": \"x\"}}")
    };
    refuses(
        TASK,
        &second("[\"x\", \"\"]"),
        "`d.jsonl` line 4: choice 1 of `doc_to_choice` is empty",
    );
    let few = "`d.jsonl` line 4: `doc_to_choice` gives 1 choices; at least 2 are needed";
    refuses(TASK, &second("[\"x\"]"), few);
    let number =
        "`d.jsonl` line 4: `doc_to_choice` gives a list with a number; allowed: a list of texts";
    refuses(TASK, &second("[\"x\", 2]"), number);
    let missing = "`d.jsonl` line 4: the field `options`, which `doc_to_choice` reads, is missing";
    refuses(TASK, &format!("{DOCUMENTS}{{\"q\": \"?\"}}"), missing);
}

#[test]
fn a_bad_example_is_named_in_its_own_file_when_it_is_drawn() {
    let task = read(
        TASK,
        DOCUMENTS,
        Some("{\"q\": 1, \"options\": [\"a\", \"b\"], \"a\": \"c\"}"),
    );
    let error = task.unwrap().prompts(&shots(1)).unwrap_err();
    let message = "`f.jsonl` line 1: the template `doc_to_target` fails: invalid operation: 'c' is not in the list";
    assert!(error.to_string().starts_with(message), "{error}");
}

#[test]
fn examples_come_from_the_first_split_that_the_harness_would_take() {
    let shots = |splits: &str| {
        read(
            &format!("{}{splits}", TASK.replace("test_split: test\n", "")),
            DOCUMENTS,
            None,
        )
    };
    // Its own documents: no split is named, or the one that is scored.
    for splits in [
        "",
        "test_split: a\n",
        "validation_split: a\n",
        "test_split: a\nfewshot_split: a\n",
    ] {
        assert_eq!(shots(splits).unwrap().max_fewshot(), 2, "{splits}");
    }
    // Another split, which was not given.
    for splits in [
        "training_split: b\n",
        "test_split: a\nvalidation_split: b\n",
        "test_split: a\nfewshot_split: b\n",
    ] {
        assert_eq!(shots(splits).unwrap().max_fewshot(), 0, "{splits}");
    }
}

#[test]
fn a_task_file_names_its_document_files() {
    let files = |text: &str| {
        let text = format!("{TASK}{text}");
        let source = Source {
            name: "t.yaml",
            text: &text,
        };
        TaskConfig::read(source, &Files::new())
            .and_then(|config| config.data_files())
            .map_err(|e| e.to_string())
    };
    assert_eq!(
        files(""),
        Ok(DataFiles {
            documents: None,
            fewshot: None
        })
    );
    let named =
        "fewshot_split: train\ndataset_kwargs: {data_files: {test: a.jsonl, train: [b.jsonl]}}\n";
    assert_eq!(
        files(named),
        Ok(DataFiles {
            documents: Some("a.jsonl".into()),
            fewshot: Some("b.jsonl".into())
        })
    );
    // The documents are their own examples: no second file.
    let alone = "dataset_kwargs: {data_files: {test: a.jsonl}}\n";
    assert_eq!(
        files(alone),
        Ok(DataFiles {
            documents: Some("a.jsonl".into()),
            fewshot: None
        })
    );
    assert_eq!(
        files("dataset_kwargs: {data_files: {test: [a.jsonl, b.jsonl]}}\n"),
        Err("`t.yaml` line 7: `dataset_kwargs.data_files` is a mapping; allowed: a mapping from split to one file".into())
    );
}

#[test]
fn damaged_files_give_an_error_and_never_a_panic() {
    let task = format!(
        "{TASK}description: \"{{{{q}}}}\"\nfewshot_config: {{sampler: first_n}}\nnum_fewshot: 1\n"
    );
    let spare: Vec<char> = "{}[]%\"'\\:,-!&*#|0\u{feff}예\n ".chars().collect();
    let mut random = crate::random::PythonRandom::new(1);
    let mut below = |n: usize| {
        random
            .sample(n as u32, 1)
            .map_or(0, |drawn| drawn[0] as usize)
    };
    for _ in 0..2000 {
        let mut texts = [
            task.chars().collect::<Vec<char>>(),
            DOCUMENTS.chars().collect(),
        ];
        let damaged = &mut texts[below(2)];
        for _ in 0..1 + below(3) {
            let at = below(damaged.len());
            match below(4) {
                0 => _ = damaged.remove(at),
                1 => damaged.insert(at, spare[below(spare.len())]),
                2 => damaged[at] = spare[below(spare.len())],
                _ => damaged.truncate(at.max(1)),
            }
        }
        let [task, documents] = texts.map(String::from_iter);
        match read(&task, &documents, None) {
            Ok(task) => match task.prompts(&RunOptions::default()) {
                Ok(prompts) => assert!(!prompts.is_empty()),
                Err(error) => assert!(!error.to_string().is_empty()),
            },
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
