# Completes activityctl in fish. Load it in ~/.config/fish/config.fish: activityctl completion fish | source

function __activityctl_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    for line in ($words[1] complete fish $words[2..-1] "$typed" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (string replace -r '^--[^=]*=' '' -- "$typed")
        else
            echo $line
        end
    end
end

complete -c activityctl -f -a '(__activityctl_complete)'
