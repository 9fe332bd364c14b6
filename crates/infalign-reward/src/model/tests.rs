//! A tiny reward model, asked by texts.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use infalign_lm::{
    DeviceKind, DeviceName, Precision, Spec, Tokenizer, WriteOptions, open_device, train_bpe,
};

use super::*;
use crate::reward::testing::responses;

fn device() -> Device {
    let cpu = DeviceName {
        kind: DeviceKind::Cpu,
        index: 0,
    };
    open_device(cpu, Precision::F32).unwrap()
}

fn tokenizer() -> Tokenizer {
    train_bpe(["a cat and a cat"].into_iter(), 260).unwrap()
}

/// A folder with a fresh llama of the given architecture.
fn folder(architecture: &str, labels: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer();
    let vocab = tokenizer.vocab_size();
    let eos = tokenizer.encode("t", false).unwrap()[0];
    let config = format!(
        r#"{{"model_type": "llama", "architectures": ["{architecture}"], "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 12, "rms_norm_eps": 1e-5, "vocab_size": {vocab},
        "tie_word_embeddings": true, "eos_token_id": {eos}, "num_labels": {labels}}}"#
    );
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let spec = Spec::read(folder.path().join("config.json")).unwrap();
    let model = Decoder::fresh(spec, 7, &device());
    let save = |new: &Path| tokenizer.save(new);
    model
        .save(folder.path(), None, WriteOptions::default(), save)
        .unwrap();
    folder
}

const CLASSIFIER: &str = "LlamaForSequenceClassification";

#[test]
fn rewards_are_the_head_s_scores_and_know_no_company() {
    let folder = folder(CLASSIFIER, 1);
    let open = |dress, eos| ModelReward::open(folder.path(), dress, eos, &device()).unwrap();
    let mut reward = open(Dress::Auto, false);
    let asked = responses(&["cat", "", "a cat"]);
    let found = reward.rewards(&asked).unwrap();
    let opened = Folder::open(folder.path()).unwrap();
    let model = Decoder::open(&opened, opened.spec().head, 0, &device()).unwrap();
    for (a, found) in asked.iter().zip(&found) {
        let mut tokens = tokenizer().encode(a.prompt, true).unwrap();
        tokens.extend(tokenizer().encode(a.response, false).unwrap());
        assert_eq!(classify(&model, &[tokens]).unwrap(), [vec![found.0]]);
        assert_eq!(reward.rewards(&[*a]).unwrap(), [*found]);
    }
    assert_ne!(found[0], found[2]);
    assert_ne!(open(Dress::Auto, true).rewards(&asked).unwrap(), found);
    assert!(reward.identity().starts_with("model "));
}

#[test]
fn a_chat_is_read_as_the_template_writes_it() {
    let folder = folder(CLASSIFIER, 1);
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}{% if add_generation_prompt %}!{% endif %}";
    std::fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    let opened = Folder::open(folder.path()).unwrap();
    let short = |reading: Reading| reading.with_context(1000);
    let chat = short(Reading::new(&opened, Dress::Auto, false).unwrap());
    let text = |t: &str| tokenizer().encode(t, false).unwrap();
    let prompt = Turns::Text("hi".to_owned());
    assert_eq!(
        chat.tokens(&prompt, &Turns::Text("ho".to_owned())).unwrap(),
        text("<user>hi;<assistant>ho;")
    );
    let raw = short(Reading::new(&opened, Dress::Raw, false).unwrap());
    assert_eq!(
        raw.tokens(&prompt, &Turns::Text("ho".to_owned())).unwrap(),
        [text("hi"), text("ho")].concat()
    );
    let messages = Turns::Messages(vec![]);
    assert!(
        raw.tokens(&messages, &Turns::Text("ho".to_owned()))
            .unwrap_err()
            .to_string()
            .contains("holds messages")
    );
}

#[test]
fn the_turns_of_a_prompt_go_through_the_template_and_its_text_does_not() {
    let folder = folder(CLASSIFIER, 1);
    let template = "{% for m in messages %}{{ m.role[0] }}{{ m.content }}{% endfor %}";
    std::fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    let turn = |role: &str, content: &str| infalign_data::Message {
        role: role.to_owned(),
        content: content.to_owned(),
    };
    let all = [turn("user", "1"), turn("assistant", "2"), turn("user", "3")];
    let mut asked = responses(&["4"]);
    asked[0].messages = Some(&all);
    let opened = Folder::open(folder.path()).unwrap();
    let model = Decoder::open(&opened, opened.spec().head, 0, &device()).unwrap();
    for (dress, read) in [(Dress::Auto, "u1a2u3a4"), (Dress::Raw, "Say:4")] {
        let mut reward = ModelReward::open(folder.path(), dress, false, &device()).unwrap();
        let tokens = tokenizer().encode(read, false).unwrap();
        let found = reward.rewards(&asked).unwrap();
        assert_eq!(classify(&model, &[tokens]).unwrap(), [vec![found[0].0]]);
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = folder(CLASSIFIER, 1);
    let mut reward = ModelReward::open(folder.path(), Dress::Raw, false, &device()).unwrap();
    let error = reward
        .rewards(&responses(&["a", "dddddddddddd"]))
        .unwrap_err();
    assert!(
        error.to_string().ends_with(
            "response 1 of this batch (prompt p1): prompt and response have 16 tokens together, but the model's context is 12; shorten them"
        ),
        "{error}"
    );
    // One that cuts reads the first eight of twelve, and still refuses where the prompt leaves no room.
    let mut cutting = reward.clone().cutting();
    let found = cutting.rewards(&responses(&["a", "dddddddddddd"])).unwrap();
    let fitting = reward.rewards(&responses(&["a", "dddddddd"])).unwrap();
    assert_eq!(found, fitting);
    assert_eq!(cutting.identity(), reward.identity());
    let mut long = responses(&["a"]);
    long[0].prompt = "Say:Say:Say:";
    assert!(cutting.rewards(&long).is_err());
    let error = ModelReward::open(folder.path(), Dress::Chat, false, &device())
        .err()
        .unwrap();
    assert!(error.to_string().contains("no chat template"), "{error}");
}

#[test]
fn other_heads_are_refused() {
    let told = |architecture, labels| {
        let folder = folder(architecture, labels);
        let error = ModelReward::open(folder.path(), Dress::Auto, false, &device())
            .err()
            .unwrap();
        error.to_string()
    };
    assert!(told("LlamaForCausalLM", 1).contains("`infalign reward train` makes one"));
    assert!(told(CLASSIFIER, 3).contains("has 3 labels; a reward model has one"));
}
