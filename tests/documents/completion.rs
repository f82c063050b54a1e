//! The bash completion, in bash. The functions of bash-completion that it calls are stood in for.

use std::process::Command;

use crate::support::tree::top;
use policy_table::cli::COMMANDS;

const STAND_INS: &str = r#"
_init_completion() {
    words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    cur=${words[cword]} prev=${words[cword - 1]}
}
_available_interfaces() { COMPREPLY=(eth0 eth1); }
_filedir() { COMPREPLY=(file); }
. completions/policy-table
"#;

/// What is offered for the last of the words.
fn offered(words: &[&str]) -> Vec<String> {
    let script = format!(
        "{STAND_INS}\nCOMP_WORDS=(policy-table \"$@\") COMP_CWORD=$#\n_policy_table\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash")
        .args(["-euc", &script, "bash"])
        .args(words)
        .current_dir(top())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {error}");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines = said.lines().filter(|line| !line.is_empty());
    lines.map(ToOwned::to_owned).collect()
}

#[test]
fn commands_and_their_options_are_offered() {
    for command in COMMANDS {
        assert_eq!(offered(&[command.name]), [command.name]);
        let options = offered(&[command.name, "--"]);
        for option in command.options {
            let option = format!("--{}", option.long);
            assert!(options.contains(&option), "{}: {option}", command.name);
        }
    }
    assert!(offered(&[""]).len() >= COMMANDS.len());
    assert!(offered(&["nonsense", "--"]).is_empty());
}

#[test]
fn values_are_offered_where_they_can_be_known() {
    assert_eq!(offered(&["status", "e"]), ["eth0", "eth1"]);
    assert_eq!(offered(&["explain", "--iif", ""]), ["eth0", "eth1"]);
    assert_eq!(offered(&["status", "--interfaces", ""]), ["file"]);
    let programs = ["ifupdown", "ifupdown2", "ifupdown-ng"];
    assert_eq!(offered(&["check", "--as", ""]), programs);
    assert!(offered(&["apply", "--confirm", ""]).is_empty());
}
