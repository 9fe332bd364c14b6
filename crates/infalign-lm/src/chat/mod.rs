//! Chat templates: messages to the text that a model was trained on, byte for byte as transformers renders it.

mod date;
mod python;

use std::path::Path;

use minijinja::{Environment, ErrorKind, Value as Jinja, syntax::SyntaxConfig, value::Kwargs};
use serde_json::Value;

use crate::{
    error::{Error, Result},
    json::{self, Object},
    tokenizer::specials,
};

/// The templates of a model folder.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    /// Name and source; `default` is first.
    named: Vec<(String, String)>,
    /// `bos_token` and the like, as templates see them.
    special: Vec<(String, String)>,
    file: String,
}

/// What a rendering is given besides the messages.
#[derive(Debug, Clone, Default)]
pub struct ChatOptions {
    /// Whether to end with the beginning of the assistant's answer.
    pub add_generation_prompt: bool,
    /// Tools in the JSON schema form; a template named `tool_use` is then preferred.
    pub tools: Option<Value>,
    /// What the clock says to `strftime_now`, in seconds since 1970 UTC; `None` asks the machine's.
    pub now: Option<u64>,
    /// Further variables (`enable_thinking`, `date_string`, …).
    pub variables: Object,
}

impl ChatTemplate {
    /// Reads `chat_template.jinja`, else the templates in `tokenizer_config.json`, else
    /// `chat_template.json`; `None` if there is none.
    ///
    /// # Errors
    /// Files that are not what they should be.
    pub fn open(folder: impl AsRef<Path>) -> Result<Option<Self>> {
        let folder = folder.as_ref();
        let mut special = std::collections::BTreeMap::new();
        let mut from_config = None;
        for name in ["special_tokens_map.json", "tokenizer_config.json"] {
            let path = folder.join(name);
            if let Some(config) = json::read_object_if_there(&path)? {
                special.extend(specials(&config));
                from_config = config
                    .get("chat_template")
                    .map(|t| (path, t.clone()))
                    .or(from_config);
            }
        }
        let special = special.into_iter().collect();
        let path = folder.join("chat_template.jinja");
        if path.exists() {
            let named = vec![("default".to_owned(), json::read_text(&path)?)];
            let file = path.display().to_string();
            return Ok(Some(Self {
                named,
                special,
                file,
            }));
        }
        if from_config.is_none() {
            let path = folder.join("chat_template.json");
            let config = json::read_object_if_there(&path)?;
            from_config = config.and_then(|c| Some((path, c.get("chat_template")?.clone())));
        }
        let Some((path, template)) = from_config.filter(|(_, t)| !t.is_null()) else {
            return Ok(None);
        };
        let file = path.display().to_string();
        let named = named(&template).ok_or_else(|| Error::Template {
            file: file.clone(),
            what: "`chat_template` is neither a text nor a list of {name, template}".to_owned(),
        })?;
        Ok(Some(Self {
            named,
            special,
            file,
        }))
    }

    /// A template from its source; `special` as (`bos_token`, `<s>`).
    #[must_use]
    pub fn new(source: &str, special: Vec<(String, String)>, file: &str) -> Self {
        Self {
            named: vec![("default".to_owned(), source.to_owned())],
            special,
            file: file.to_owned(),
        }
    }

    /// Renders messages, each an object with `role` and `content`.
    ///
    /// # Errors
    /// What the template refuses (its own words), or fails at (with the line).
    pub fn render(&self, messages: &[Value], options: &ChatOptions) -> Result<String> {
        let wrong = |what: String| Error::Template {
            file: self.file.clone(),
            what,
        };
        let wanted = if options.tools.is_some() {
            "tool_use"
        } else {
            "default"
        };
        let find = |name: &str| self.named.iter().find(|(n, _)| n == name);
        let (_, source) = find(wanted)
            .or_else(|| find("default"))
            .ok_or_else(|| wrong("none of its chat templates is named `default`".to_owned()))?;
        let source = without_generation_tags(source);
        let mut environment = environment(options.now)?;
        environment
            .add_template("chat", &source)
            .map_err(|e| wrong(format!("the chat template does not parse: {}", told(&e))))?;
        let mut context = Object::new();
        for (role, token) in &self.special {
            context.insert(role.clone(), token.as_str().into());
        }
        context.extend(options.variables.clone());
        context.insert("messages".to_owned(), Value::Array(messages.to_vec()));
        context.insert(
            "tools".to_owned(),
            options.tools.clone().unwrap_or(Value::Null),
        );
        context.insert("documents".to_owned(), Value::Null);
        context.insert(
            "add_generation_prompt".to_owned(),
            options.add_generation_prompt.into(),
        );
        environment
            .get_template("chat")
            .and_then(|t| t.render(Jinja::from(minijinja::value::Serde(&context))))
            .map_err(|e| {
                wrong(format!(
                    "the chat template refuses these messages: {}",
                    told(&e)
                ))
            })
    }
}

/// One text, or a list with names.
fn named(template: &Value) -> Option<Vec<(String, String)>> {
    match template {
        Value::String(source) => Some(vec![("default".to_owned(), source.clone())]),
        Value::Array(list) => list
            .iter()
            .map(|entry| {
                let text = |field: &str| entry.get(field)?.as_str().map(str::to_owned);
                Some((text("name")?, text("template")?))
            })
            .collect(),
        _ => None,
    }
}

/// transformers' environment (`chat_template_utils.py`): Jinja with trimmed blocks, loop controls,
/// Python's methods, and four names of its own.
fn environment(now: Option<u64>) -> Result<Environment<'static>> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(|e| Error::bug(format!("the syntax of chat templates is refused: {e}")))?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_unknown_method_callback(python::method);
    environment.set_formatter(python::format);
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<Jinja, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    environment.add_function("strftime_now", move |format: &str| {
        date::format(format, now)
    });
    environment.add_filter("tojson", to_json);
    environment.add_filter("trim", python::trim);
    Ok(environment)
}

/// `json.dumps(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "filters take their arguments by value"
)]
fn to_json(
    value: &Jinja,
    indent: Option<usize>,
    options: Kwargs,
) -> Result<String, minijinja::Error> {
    let format = python::JsonFormat {
        ensure_ascii: options
            .get::<Option<bool>>("ensure_ascii")?
            .unwrap_or(false),
        indent: options.get::<Option<usize>>("indent")?.or(indent),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        separators: options.get::<Option<Vec<String>>>("separators")?,
    };
    options.assert_all_used()?;
    let value = serde_json::to_value(value)
        .map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    Ok(python::to_json(&value, &format))
}

/// The message, and the line of the template.
fn told(error: &minijinja::Error) -> String {
    let what = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{what} (line {line} of the template)"),
        None => what,
    }
}

/// `{% generation %}` marks the assistant's tokens for training masks and renders as its inside does:
/// a condition that always holds.
fn without_generation_tags(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        result.push_str(before);
        let Some(end) = tag.find("%}") else {
            break;
        };
        let (tag, after) = tag.split_at(end + 2);
        let inner = tag[2..tag.len() - 2].trim_matches(['-', '+']).trim();
        match inner {
            "generation" => result.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => result.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => result.push_str(tag),
        }
        rest = after;
        if rest.is_empty() {
            return result;
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use serde_json::json;

    use super::*;

    fn render(source: &str, options: &ChatOptions) -> Result<String> {
        let special = vec![("bos_token".to_owned(), "<s>".to_owned())];
        let messages = [
            json!({"role": "user", "content": "Hi é"}),
            json!({"role": "assistant", "content": " yo "}),
        ];
        ChatTemplate::new(source, special, "chat_template.jinja").render(&messages, options)
    }

    fn plain(source: &str) -> String {
        render(source, &ChatOptions::default()).unwrap()
    }

    #[test]
    fn blocks_are_trimmed_and_methods_are_pythons() {
        let source = "{{ bos_token }}{% for m in messages %}\n    {% if m.role == 'user' %}\n[{{ m['content'].upper() }}]\n    {% else %}\n({{ m.content.strip() }})\n    {% endif %}\n{% endfor %}\n";
        assert_eq!(plain(source), "<s>[HI É]\n(yo)\n");
    }

    #[test]
    fn the_generation_prompt_and_further_variables_are_seen() {
        let source = "{% if add_generation_prompt %}GO {{ name }} {{ unknown }}{% endif %}";
        let mut options = ChatOptions {
            add_generation_prompt: true,
            ..Default::default()
        };
        options.variables.insert("name".to_owned(), json!("x"));
        assert_eq!(render(source, &options).unwrap(), "GO x ");
        assert_eq!(plain(source), "");
    }

    #[test]
    fn values_print_as_python_prints_them() {
        assert_eq!(
            plain("{{ true }} {{ none }} {{ 1.0 }} {{ [1, 'a', none] }} {{ {'a': true} }}"),
            "True None 1.0 [1, 'a', None] {'a': True}"
        );
    }

    #[test]
    fn json_is_as_python_dumps_it() {
        assert_eq!(
            plain("{{ messages[0] | tojson }}"),
            r#"{"role": "user", "content": "Hi é"}"#
        );
        assert_eq!(
            plain("{{ messages[0] | tojson(ensure_ascii=true) }}"),
            r#"{"role": "user", "content": "Hi \u00e9"}"#
        );
        assert_eq!(
            plain("{{ {'b': [1, 2.5], 'a': {}} | tojson(indent=2) }}"),
            "{\n  \"b\": [\n    1,\n    2.5\n  ],\n  \"a\": {}\n}"
        );
        assert_eq!(
            plain("{{ {'b': '<&>', 'a': []} | tojson(sort_keys=true, separators=[',', ':']) }}"),
            r#"{"a":[],"b":"<&>"}"#
        );
    }

    #[test]
    fn refusals_are_told_in_the_templates_words() {
        let error = render(
            "{{ raise_exception('roles must alternate') }}",
            &ChatOptions::default(),
        )
        .unwrap_err();
        assert!(
            error.to_string().contains("roles must alternate (line 1"),
            "{error}"
        );
        let error = render("\n{% if %}", &ChatOptions::default()).unwrap_err();
        assert!(error.to_string().contains("does not parse"), "{error}");
    }

    #[test]
    fn generation_tags_render_their_inside() {
        assert_eq!(
            plain("a\n{%- generation %}\n b{% endgeneration %}\nc"),
            "a b\nc".replace("\nc", "c")
        );
        assert_eq!(
            plain(
                "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ loop.index0 }}{% break %}{% endfor %}"
            ),
            "1"
        );
    }

    #[test]
    fn tools_choose_their_template() {
        let directory = tempfile::tempdir().unwrap();
        let config = json!({"eos_token": {"content": "</s>"}, "chat_template": [
            {"name": "default", "template": "plain{{ eos_token }}"},
            {"name": "tool_use", "template": "{{ tools | length }} tools"}]});
        std::fs::write(
            directory.path().join("tokenizer_config.json"),
            config.to_string(),
        )
        .unwrap();
        let template = ChatTemplate::open(directory.path()).unwrap().unwrap();
        assert_eq!(
            template.render(&[], &ChatOptions::default()).unwrap(),
            "plain</s>"
        );
        let options = ChatOptions {
            tools: Some(json!([{}])),
            ..Default::default()
        };
        assert_eq!(template.render(&[], &options).unwrap(), "1 tools");
        std::fs::write(directory.path().join("chat_template.jinja"), "own").unwrap();
        let template = ChatTemplate::open(directory.path()).unwrap().unwrap();
        assert_eq!(template.render(&[], &options).unwrap(), "own");
    }

    #[test]
    fn dates_have_their_form() {
        let date = plain("{{ strftime_now('%d %b %Y') }}");
        assert_eq!(date.len(), 11, "{date}");
    }
}
