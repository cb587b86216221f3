//! From a document and its examples to the texts the model reads: plain, or as a conversation.
//!
//! As `fewshot_context`, `build_qa_turn` and `multiple_input_context` (`lm_eval/api/task.py`), and `lm_eval/api/utils.py`.

use crate::config::{Form, TaskConfig};
use crate::model::{Message, Role};
use crate::python;
use crate::run::RunOptions;
use crate::task::{Document, Question};

/// A few-shot example, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) question: String,
    pub(crate) answer: String,
    pub(crate) prefix: Option<String>,
}

/// One part of a prompt: a message of a conversation, or text followed by a delimiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// What follows it in plain text.
    pub delimiter: String,
}

impl Turn {
    fn new(role: Role, content: impl Into<String>, delimiter: &str) -> Self {
        Self {
            role,
            content: content.into(),
            delimiter: delimiter.into(),
        }
    }
}

/// What precedes the choices, or the answer, of one document.
#[derive(Clone, Debug)]
pub struct Prompt<'a> {
    /// Place of the document in its split, from 0.
    pub doc_id: u32,
    /// The document.
    pub document: &'a Document,
    /// Instruction, description and examples.
    pub before: Vec<Turn>,
    pub(crate) form: &'a Form,
}

impl Prompt<'_> {
    /// The turns of the question: one list, or one for each choice where the choices are the questions.
    pub fn questions(&self) -> Vec<Vec<Turn>> {
        let prefix = self.document.prefix.as_deref();
        let delimiter = &self.form.target_delimiter;
        match &self.document.question {
            Question::Text(text) => vec![qa(text, None, prefix, delimiter, "")],
            Question::Choice(_) => {
                let choices = self.document.choices.iter();
                choices.map(|text| qa(text, None, prefix, "", "")).collect()
            }
        }
    }

    /// Instruction, description and examples as plain text.
    pub fn fewshot_context(&self) -> String {
        plain(&self.before)
    }

    /// Whether the model's turn begins anew; where the task gives its beginning, that is continued.
    pub fn add_generation_prompt(&self) -> bool {
        self.document
            .prefix
            .as_deref()
            .unwrap_or_default()
            .is_empty()
    }

    /// The conversation whose question is `question`.
    pub fn messages(&self, question: &[Turn], fewshot_as_multiturn: bool) -> Vec<Message> {
        let turns: Vec<Turn> = self.before.iter().chain(question).cloned().collect();
        if fewshot_as_multiturn {
            turns.into_iter().map(message).collect()
        } else {
            single_turn(turns).into_iter().map(message).collect()
        }
    }
}

/// Text of turns, one after the other.
pub(crate) fn plain(turns: &[Turn]) -> String {
    turns
        .iter()
        .map(|turn| format!("{}{}", turn.content, turn.delimiter))
        .collect()
}

fn message(turn: Turn) -> Message {
    Message {
        role: turn.role,
        content: turn.content,
    }
}

/// The turns before the question of one document.
pub(crate) fn turns<'a, E: Iterator<Item = &'a Example>>(
    config: &TaskConfig,
    document: &Document,
    options: &RunOptions,
    examples: impl Fn() -> E,
) -> Vec<Turn> {
    let instruction = options.system_instruction.as_deref().unwrap_or_default();
    let delimiter = &config.form.fewshot_delimiter;
    let system = maybe_delimit(instruction, &document.description, delimiter);
    let mut turns = Vec::new();
    if !system.is_empty() {
        turns.push(Turn::new(Role::System, system, ""));
    }
    let form = &config.fewshot_form;
    for example in examples() {
        turns.extend(qa(
            &example.question,
            Some(&example.answer),
            example.prefix.as_deref(),
            &form.target_delimiter,
            &form.fewshot_delimiter,
        ));
    }
    turns
}

/// A question, and its answer or the beginning of one.
fn qa(
    question: &str,
    answer: Option<&str>,
    prefix: Option<&str>,
    target_delimiter: &str,
    fewshot_delimiter: &str,
) -> Vec<Turn> {
    let prefix = prefix.unwrap_or_default();
    let answer = answer.unwrap_or_default();
    let delimited = match (answer.is_empty(), prefix.is_empty()) {
        (_, false) => !question.is_empty() && !meet_at_space(question, prefix),
        (answerless, true) => !answerless,
    };
    let delimiter = if delimited { target_delimiter } else { "" };
    let mut turns = vec![Turn::new(Role::User, question, delimiter)];
    if !answer.is_empty() {
        let text = maybe_delimit(prefix, answer, " ");
        turns.push(Turn::new(Role::Assistant, text, fewshot_delimiter));
    } else if !prefix.is_empty() {
        turns.push(Turn::new(Role::Assistant, prefix, ""));
    }
    turns
}

/// All but an instruction and the beginning of an answer as one message of the user.
fn single_turn(mut turns: Vec<Turn>) -> Vec<Turn> {
    let system = match turns.first() {
        Some(turn) if turn.role == Role::System => Some(turns.remove(0)),
        _ => None,
    };
    let assistant = match turns.last() {
        Some(turn) if turn.role == Role::Assistant => turns.pop(),
        _ => None,
    };
    if let Some(last) = turns.last_mut() {
        last.delimiter.clear();
    }
    let user = Turn::new(Role::User, plain(&turns), "");
    system.into_iter().chain([user]).chain(assistant).collect()
}

/// Joins two texts; the delimiter stands between them unless one is empty or white space is there already.
fn maybe_delimit(before: &str, after: &str, delimiter: &str) -> String {
    let joined = before.is_empty() || after.is_empty() || meet_at_space(before, after);
    let delimiter = if joined { "" } else { delimiter };
    format!("{before}{delimiter}{after}")
}

fn meet_at_space(before: &str, after: &str) -> bool {
    before.ends_with(python::is_space) || after.starts_with(python::is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(turns: &[Turn]) -> Vec<(Role, &str, &str)> {
        let turns = turns.iter();
        turns
            .map(|turn| (turn.role, turn.content.as_str(), turn.delimiter.as_str()))
            .collect()
    }

    // Expected turns: `ConfigurableTask.build_qa_turn` of lm_eval 0.4.13.

    #[test]
    fn an_answer_stands_after_the_delimiter() {
        assert_eq!(
            texts(&qa("q", Some("a"), None, " ", "\n\n")),
            [(Role::User, "q", " "), (Role::Assistant, "a", "\n\n")]
        );
        assert_eq!(
            texts(&qa("q", None, None, " ", "")),
            [(Role::User, "q", "")]
        );
        assert_eq!(
            texts(&qa("q", Some(""), None, " ", "\n\n")),
            [(Role::User, "q", "")]
        );
    }

    #[test]
    fn the_beginning_of_an_answer_is_parted_by_one_space_only() {
        assert_eq!(
            texts(&qa("q", Some("a"), Some("A:"), " ", "\n")),
            [(Role::User, "q", " "), (Role::Assistant, "A: a", "\n")]
        );
        assert_eq!(
            texts(&qa("q\n", None, Some("A: "), " ", "")),
            [(Role::User, "q\n", ""), (Role::Assistant, "A: ", "")]
        );
        assert_eq!(
            texts(&qa("q\n", Some("a"), Some("A: "), " ", "")),
            [(Role::User, "q\n", ""), (Role::Assistant, "A: a", "")]
        );
    }

    #[test]
    fn one_turn_keeps_instruction_and_beginning_apart() {
        let turns = vec![
            Turn::new(Role::System, "s", ""),
            Turn::new(Role::User, "q", " "),
            Turn::new(Role::Assistant, "a", "\n"),
            Turn::new(Role::User, "r", " "),
        ];
        assert_eq!(
            texts(&single_turn(turns.clone())),
            [(Role::System, "s", ""), (Role::User, "q a\nr", "")]
        );
        let mut begun = turns;
        begun.push(Turn::new(Role::Assistant, "b", ""));
        assert_eq!(
            texts(&single_turn(begun)),
            [
                (Role::System, "s", ""),
                (Role::User, "q a\nr", ""),
                (Role::Assistant, "b", "")
            ]
        );
    }
}
