# Completes activityctl in bash. Load it in ~/.bashrc: source <(activityctl completion bash)

_activityctl() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        case $word in
            :files)
                compopt -o filenames 2>/dev/null
                word=${COMP_WORDS[COMP_CWORD]}
                [[ $word == = ]] && word=
                while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$word")
                ;;
            *) COMPREPLY+=("$word") ;;
        esac
    done < <("${COMP_WORDS[0]}" complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}

complete -F _activityctl activityctl
