package statement

import (
	"errors"
	"testing"
)

func TestAllowed(t *testing.T) {
	for name, want := range map[string]bool{
		"max_threads": true, "use_statistics": true, "insert_deduplication_token": true, "output_format_json_quote_64bit_integers": true,
		"format_template_row": false, "format_template_resultset": false, "format_schema": false, "format_schema_source": false, "input_format_record_errors_file_path": false,
		"output_format_schema": false, "format_avro_schema_registry_url": false, "dialect": false, "polyglot_dialect": false, "allow_experimental_kusto_dialect": false,
		"url_base": false, "rename_files_after_processing": false, "disk": false, "storage_policy": false, "table_disk": false, "additional_result_filter": false,
		"default_view_definer": false, "http_response_headers": false, "promql_database": false, "readonly": false, "log_comment": false,
	} {
		if got := Allowed(name); got != want {
			t.Errorf("Allowed(%s) = %t, want %t", name, got, want)
		}
	}
}

func TestCheckFilters(t *testing.T) {
	for _, value := range []string{
		`{}`, ` { } `, `{'activity':'tenant = 1'}`, `{'a':'x = unhex(\'61\')', 'b':'y IN (1, 2)'}`, `{'a':'x = ''y'''}`, `{'a':'x = \'\\\'\''}`,
	} {
		if err := CheckFilters(value, nil); err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
	for _, tt := range []struct {
		value string
		want  error
	}{
		{`{'activity':'startsWith(file(\'/etc/passwd\'), \'r\')'}`, ErrForbidden},
		{`{'activity':'x IN (SELECT * FROM url(\'http://x\'))'}`, ErrForbidden},
		{`{'a':'1', 'activity':'file(\'x\') = 1'}`, ErrForbidden},
		{"{'a':'`file`(\\'x\\') = 1'}", ErrForbidden},
		{`{'a':'\x66ile(1)'}`, ErrSyntax},
		{`{'a':'1) INTO OUTFILE (1'}`, ErrForbidden},
		{`{'a':'1); SELECT (2'}`, ErrForbidden},
		{`{'a':'1) SETTINGS x = (1'}`, ErrSyntax},
		{`{'a':'1'`, ErrSyntax},
		{`{'a' 'file(1)'}`, ErrSyntax},
		{`{'a':file('x')}`, ErrSyntax},
		{`map('a', 'file(1)')`, ErrSyntax},
		{`{'a':'1'} + {'b':'file(1)'}`, ErrSyntax},
		{`{'a':'1' 'b':'2'}`, ErrSyntax},
		{``, ErrSyntax},
		{`'`, ErrSyntax},
	} {
		if err := CheckFilters(tt.value, nil); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.value, err, tt.want)
		}
	}
}

func FuzzCheckFilters(f *testing.F) {
	f.Add(`{'activity':'tenant = unhex(\'61\')'}`)
	f.Add(`{'a':'1) SETTINGS x = (1'}`)
	f.Fuzz(func(t *testing.T, value string) {
		if err := CheckFilters(value, nil); err != nil && !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrForbidden) {
			t.Errorf("%q: an error of no kind: %v", value, err)
		}
	})
}
