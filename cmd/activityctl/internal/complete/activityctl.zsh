#compdef activityctl
# Completes activityctl in zsh. Load it in ~/.zshrc after compinit: source <(activityctl completion zsh)

_activityctl() {
    local line word files
    local -a found
    while IFS= read -r line; do
        case $line in
            :files) files=1 ;;
            *)
                word=${line%%$'\t'*}
                if [[ $line == *$'\t'* ]]; then
                    found+=("${word//:/\\:}:${line#*$'\t'}")
                else
                    found+=("${word//:/\\:}")
                fi
                ;;
        esac
    done < <("${words[1]}" complete zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( $#found )) && _describe -V activityctl found
    if [[ -n $files ]]; then
        [[ $PREFIX == --*=* ]] && compset -P '*='
        _files
    fi
}

compdef _activityctl activityctl
