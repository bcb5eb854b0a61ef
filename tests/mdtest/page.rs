//! Markdown to sections and programs.

/// A page of Markdown.
pub struct Page {
    /// Path from the root of the repository.
    pub path: String,
    /// The rule that a bare `# error` means: the page's own, or any in `tests/semantics/`.
    pub rule: Option<String>,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// What stands under one `##` heading.
#[derive(Default)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// Line of the heading in the page.
    pub line: usize,
    /// The `raceproof.toml` of its programs.
    pub config: Option<String>,
    /// The programs in it.
    pub programs: Vec<Program>,
}

/// Files that are analysed together.
#[derive(Default)]
pub struct Program {
    /// Its files.
    pub files: Vec<File>,
}

/// One block of a page.
pub struct File {
    /// Path in the program.
    pub path: String,
    /// The code.
    pub text: String,
    /// Line of the page on which the code begins.
    pub line: usize,
}

impl Page {
    /// Cuts a page into sections.
    ///
    /// # Errors
    /// A block is not closed, or its language is unknown: the line and what is expected.
    pub fn parse(path: &str, rule: Option<&str>, text: &str) -> Result<Self, String> {
        let mut sections: Vec<Section> = Vec::new();
        let mut file_name: Option<String> = None;
        let mut lines = (1..).zip(text.lines());
        while let Some((number, line)) = lines.next() {
            if let Some(title) = line.strip_prefix("## ") {
                sections.push(Section {
                    title: title.trim().to_owned(),
                    line: number,
                    ..Section::default()
                });
                file_name = None;
                continue;
            }
            let named = line.strip_prefix('`').and_then(|it| it.strip_suffix("`:"));
            if let Some(name) = named {
                file_name = Some(name.to_owned());
                continue;
            }
            let Some(language) = line.strip_prefix("```") else {
                continue;
            };
            let mut block = String::new();
            let mut closed = false;
            for (_, line) in lines.by_ref() {
                closed = line == "```";
                if closed {
                    break;
                }
                block.push_str(line);
                block.push('\n');
            }
            if !closed {
                return Err(format!("{path}:{number}: the block is not closed"));
            }
            let Some(section) = sections.last_mut() else {
                // The metadata, which `raceproof::rule` reads.
                continue;
            };
            match language {
                "py" => section.add(file_name.take(), block, number + 1),
                "toml" => section.config = Some(block),
                "console" | "text" => {}
                _ => {
                    return Err(format!(
                        "{path}:{number}: a block is `py`, `toml`, `console` or `text`, not `{language}`"
                    ));
                }
            }
        }
        Ok(Self {
            path: path.to_owned(),
            rule: rule.map(str::to_owned),
            sections,
        })
    }

    /// What the page lacks of the form of `rules/`: headings, their order, examples.
    pub fn lacks(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        let found: Vec<&str> = self.sections.iter().map(|it| it.title.as_str()).collect();
        let wanted: Vec<&str> = super::FORM.iter().map(|(title, _)| *title).collect();
        if found != wanted {
            lacks.push(format!(
                "{}: the headings are {wanted:?}, not {found:?}",
                self.path
            ));
        }
        for (section, (title, least)) in self.sections.iter().zip(super::FORM) {
            let programs = section.programs.len();
            if programs < *least {
                lacks.push(format!(
                    "{}:{}: `{title}` has {programs} examples and needs {least}",
                    self.path, section.line
                ));
            }
        }
        lacks
    }
}

impl Section {
    /// Adds a block: to the program before it when both have names, else as a program of its own.
    fn add(&mut self, name: Option<String>, text: String, line: usize) {
        let continues = name.as_ref().is_some_and(|name| {
            self.programs.last().is_some_and(|program| {
                program.files[0].path != "main.py"
                    && program.files.iter().all(|file| file.path != *name)
            })
        });
        if !continues {
            self.programs.push(Program::default());
        }
        let path = name.unwrap_or_else(|| "main.py".to_owned());
        if let Some(program) = self.programs.last_mut() {
            program.files.push(File { path, text, line });
        }
    }
}
