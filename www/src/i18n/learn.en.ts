// The Learn page in English: short, and true of what the engine does.

interface Section {
  title: string;
  paragraphs: string[];
}

interface Term {
  term: string;
  meaning: string;
}

export interface Learn {
  title: string;
  tasks: { title: string; card: (documents: number, chance: string) => string; none: string };
  sections: Section[];
  glossaryTitle: string;
  glossary: Term[];
}

export const learn: Learn = {
  title: 'Learn',
  tasks: {
    title: 'What each task asks',
    card: (documents, chance) => `${documents} documents, guessing gives ${chance}%`,
    none: 'The tasks are listed here once the engine has started.',
  },
  sections: [
    {
      title: 'How a score is computed',
      paragraphs: [
        'A language model gives every possible next token a probability. It never sees a question as a question: it sees text, and says how likely each continuation is.',
        'For each document Jeoul writes the prompt exactly as lm-evaluation-harness does, appends one choice at a time, and adds up the log-probabilities of the tokens of that choice. The sum is the choice’s log-likelihood. The choice with the highest one is the model’s pick. If the pick is the right answer, the document counts 1, else 0; the mean is the accuracy.',
        'Long choices have more tokens and so lower sums. “Accuracy per character” (acc_norm) divides each log-likelihood by the number of characters of the choice before comparing.',
        'Some tasks let the model write its answer, token by token, until a sign of its end. Filters then take the answer from the text, such as the last number, and it is compared with the right one. Both are shown with each document.',
        'With few-shot examples, solved questions stand before the one that is asked. They show the model the form of an answer; they do not train it.',
      ],
    },
    {
      title: 'How much a score can tell',
      paragraphs: [
        'A score from 20 documents is an estimate. The standard error says how far such estimates typically lie from the score on endlessly many documents of the same kind; the 95% interval (Wilson’s, which also holds for few documents) is where that score plausibly lies.',
        'Chance is what guessing at random would give: 25% with four choices. A model whose interval contains chance has not been told apart from guessing. A model can also be below chance, when it is drawn to a certain kind of wrong answer.',
        'Two models are best compared on the same documents: Results compares two runs document by document, with the difference, its 95% interval and a p-value (McNemar’s exact test for right and wrong answers, a paired t-test for other figures). Many comparisons at once find some difference by chance.',
      ],
    },
    {
      title: 'Why the numbers can be trusted',
      paragraphs: [
        'On the CPU the same model and the same settings give the same numbers to the last bit, in every browser and in the jeoul command. On the GPU small differences in the last digits are normal; before it is used, a known-answer test compares it with the CPU.',
        'The bundled documents are samples written for Jeoul. They have the shape of well-known benchmarks, but their scores must not be compared with published ones. For those, take the real documents: from a file of yours, or from the Hugging Face hub. Scores can be saved as the files that lm-evaluation-harness writes.',
      ],
    },
    {
      title: 'Privacy',
      paragraphs: [
        'Everything is computed in this tab. Models are downloaded from the server this page came from or from Hugging Face and kept in the browser’s storage until you forget them. Only if you ask for a benchmark’s real documents does the browser fetch them from the Hugging Face hub. Files that you drop, prompts and scores stay in the tab.',
        'Only if you post a run to a board does something of it leave: you choose how much, see the exact bytes first, and can delete it. The page asks a board nothing before you go there. The key that signs what you post stays in this browser.',
        'There are no cookies, no analytics and no code from anybody else. Language, colours, the measured speed and the rooms that you joined are remembered in this browser.',
      ],
    },
  ],
  glossaryTitle: 'Glossary',
  glossary: [
    { term: 'checkpoint', meaning: 'A file with a model’s weights and its tokenizer. Jeoul reads GGUF.' },
    { term: 'document', meaning: 'One item of a task: a question with its choices or its right answer.' },
    { term: 'few-shot', meaning: 'Solved examples before the question; “2 shots” are two of them.' },
    { term: 'lane', meaning: 'Where the model is computed: on the CPU or on the GPU.' },
    { term: 'log-likelihood', meaning: 'The natural logarithm of a probability, in nats. 0 is certain; −2.3 is one in ten.' },
    { term: 'margin', meaning: 'Log-likelihood of the right choice minus that of the best other one. Above 0 the document is right.' },
    { term: 'quantisation', meaning: 'Storing weights in fewer bits. Q4_1 keeps about 5 bits for each weight.' },
    { term: 'token', meaning: 'A piece of text that the model reads at once: a word, part of a word or a few bytes.' },
  ],
};
