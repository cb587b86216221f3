//! What a task is, as one hash: two runs can be compared if they asked the same task about the same documents.

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use crate::task::Task;

/// Keys of a task file that change no score.
const IDLE_KEYS: [&str; 5] = [
    "task_alias",
    "tag",
    "metadata",
    "should_decontaminate",
    "doc_to_decontamination_query",
];

impl Task {
    /// SHA-256 over the task file with what it includes, the documents and the few-shot split: 64 hexadecimal digits.
    ///
    /// The order of keys and columns, comments, titles and file names do not change it; the order of documents does, since the
    /// few-shot sampler goes by it. Whether the documents come from JSON or Parquet makes no difference. What `--gen_kwargs` adds to
    /// the file is a setting of the run and no part of the task.
    pub fn content_hash(&self) -> String {
        let mut file = self.config.file.map.clone();
        file.retain(|key, _| !IDLE_KEYS.contains(&key.as_str()));
        file.insert("version".into(), self.version().into());
        let documents = self.documents().iter().map(|document| &document.fields);
        let pool = self.pool.iter().flat_map(|pool| &pool.rows);
        let mut hash = Sha256::new();
        hash.update(line(&file));
        documents.for_each(|fields| hash.update(line(fields)));
        // No line of JSON reads so.
        hash.update("few-shot\n");
        pool.for_each(|row| hash.update(line(&row.fields)));
        let digest = hash.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Fields as one line, sorted by their names.
fn line(fields: &Map<String, Json>) -> String {
    let mut value = Json::Object(fields.clone());
    value.sort_all_objects();
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use crate::task::{Source, Task};

    const TASK: &str = "\
task: t
output_type: multiple_choice
doc_to_text: q
doc_to_target: a
doc_to_choice: [x, y]
metadata: {version: 1.0, title: A task}
";
    const DOCUMENTS: &str = "{\"q\": \"one\", \"a\": 0}\n{\"q\": \"two\", \"a\": 1}\n";

    fn hash(task: &str, documents: &str, fewshot: Option<&str>) -> String {
        let source = |name, text| Source { name, text };
        let fewshot = fewshot.map(|text| source("f.jsonl", text));
        let task = Task::from_files(
            source("t.yaml", task),
            source("d.jsonl", documents),
            fewshot,
        );
        task.unwrap().content_hash()
    }

    #[test]
    fn what_changes_no_score_changes_no_hash() {
        let expected = hash(TASK, DOCUMENTS, None);
        let keys = TASK.lines().rev().collect::<Vec<_>>().join("\n");
        let columns = "{\"a\": 0, \"q\": \"one\"}\n\n{\"a\": 1, \"q\": \"two\"}";
        let title = TASK.replace("A task", "Another title") + "# comment\ntag: [x]\n";
        assert_eq!(hash(&keys, DOCUMENTS, None), expected);
        assert_eq!(hash(TASK, columns, None), expected);
        assert_eq!(hash(&title, DOCUMENTS, None), expected);
    }

    #[test]
    fn what_changes_a_score_changes_the_hash() {
        let mut hashes = vec![
            hash(TASK, DOCUMENTS, None),
            hash(&TASK.replace("1.0", "1.1"), DOCUMENTS, None),
            hash(&TASK.replace("[x, y]", "[y, x]"), DOCUMENTS, None),
            hash(
                &(TASK.to_string() + "target_delimiter: \"\"\n"),
                DOCUMENTS,
                None,
            ),
            hash(TASK, &DOCUMENTS.replace("two", "too"), None),
            hash(TASK, DOCUMENTS.lines().next().unwrap(), None),
            hash(
                TASK,
                &DOCUMENTS.lines().rev().collect::<Vec<_>>().join("\n"),
                None,
            ),
            hash(&(TASK.to_string() + "fewshot_split: f\n"), DOCUMENTS, None),
            hash(
                &(TASK.to_string() + "fewshot_split: f\n"),
                DOCUMENTS,
                Some(DOCUMENTS),
            ),
        ];
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
