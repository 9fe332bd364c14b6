//! `infalign procedures` and `infalign transforms`.

use serde_json::Value;

use super::folder::Folder;

#[test]
fn as_text() {
    for list in ["procedures", "transforms"] {
        let ran = Folder::new().run(list).done();
        assert_eq!(ran.stderr, "");
        insta::assert_snapshot!(list, ran.stdout);
    }
}

#[test]
fn every_example_as_json_designs() {
    let folder = Folder::new();
    folder.write("map.csv", "u,g\n0,0\n0.5,0.25\n1,1\n");
    folder.write("phi.csv", "u,phi\n0,0\n0.5,0.25\n1,1\n");
    for list in ["procedures", "transforms"] {
        let entries: Value =
            serde_json::from_str(&folder.run(&format!("{list} --format json")).done().stdout)
                .unwrap();
        for entry in entries.as_array().unwrap() {
            let example = entry["example"].as_str().unwrap();
            let (procedure, transform) = match list {
                "procedures" => (example, "identity"),
                _ => ("best-of:4", example),
            };
            let ran = folder.run(&format!(
                "design --procedure {procedure} --transforms {transform} --kl 0.3 --format json"
            ));
            let answer: Value = serde_json::from_str(&ran.done().stdout).unwrap();
            assert_eq!(answer["procedure"], procedure);
            assert_eq!(answer["transforms"][0]["transform"], transform);
        }
    }
}
