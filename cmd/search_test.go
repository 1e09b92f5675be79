package cmd_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// searched are texts, and searches that must find the text and no other. {detail} is what a dialect calls the text.
var searched = []struct {
	fields string
	finds  []string
}{
	{`{detail}:"Großer Ärger mit Überweisung"`, []string{"ärger", "ÜBERWEISUNG", "grosser"}},
	{`{detail}:"Вход выполнен"`, []string{"выполнен", "ВЫПОЛНЕН"}},
	{`{detail}:"Error en CONCILIACIÓN"`, []string{"conciliación"}},
	{`"details":{"msg":"first\nsecond","cols":"c1\tc2"}`, []string{"second", "c2", `"first second"`}},
	{`"details":{"city":"K\u00f6ln","name":"Jos\u00e9 Garc\u00eda"}`, []string{"Köln", "KO\u0308LN", "José"}},
	{`"details":{"t":"\u041f\u043e\u043a\u0430"}`, []string{"Пока", "пока"}},
	{`{detail}:"Müller’s card “4111” – revoked"`, []string{"4111", "Müller", "Müller’s", "Müller’s card “4111” – revoked", `"Müller’s card “4111” – revoked"`}},
	{`{detail}:"Published “Summer mix” with success…"`, []string{"Summer", "success", `"summer mix"`}},
	{`{detail}:"登录成功，用户张三。完成"`, []string{"登录成功", "成功", "张三", "三"}},
	{`{detail}:"total\u00a0price paid 50€, pages 10–20, ¿Qué pasó?"`, []string{"price", "50", "10–20", "Qué"}},
	{`{detail}:"वीडियो प्रकाशित"`, []string{"वीडियो"}},
	{`{detail}:"cafe\u0301 re\u0301sume\u0301"`, []string{"café", "RÉSUMÉ"}},
	{`{detail}:"by ann@example.com from 10.0.0.1"`, []string{"ann@example.com", "10.0.0.1"}},
}

// writers send one entry with the fields, each in its own form.
var writers = []struct{ path, form, detail string }{
	{"/api/v1/activity_log", `{"action_type":"s",%s}`, `"action_detail"`},
	{"/api/v1/activity_log", `[{"action_type":"s",%s}]`, `"action_detail"`},
	{"/api/v1/activity-logs", `{"action":"s",%s}`, `"detail"`},
	{"/api/v1/activity-logs/batch", `[{"action":"s",%s}]`, `"detail"`},
}

// A search finds the same entries wherever it is asked, however they were written.
func TestSearchIsTheSameEverywhere(t *testing.T) {
	p := standalone(t)
	var streams []func(n int)
	for _, s := range searched {
		streams = append(streams, p.follow(t, s.finds[0]))
	}
	for _, s := range searched {
		for _, w := range writers {
			body := fmt.Sprintf(w.form, strings.Replace(s.fields, "{detail}", w.detail, 1))
			if status, answer := p.ask(http.MethodPost, w.path, body); status >= 300 {
				t.Fatalf("POST %s %s: %d %s", w.path, body, status, answer)
			}
		}
	}
	p.until(t, "/api/v1/activity-logs/count", 200, fmt.Sprintf(`"count":%d`, len(searched)*len(writers)))
	n := len(writers)
	for i, s := range searched {
		streams[i](n)
		for _, search := range s.finds {
			p.counts(t, "/api/v1/activity-logs/count", search, n)
		}
		for _, path := range []string{"/api/v1/activity_log/count", "/api/v1/activity-logs", "/api/v1/activity-logs/stats"} {
			p.counts(t, path, s.finds[0], n)
		}
		for path, each := range map[string]string{"/api/v1/activity_log": `"action_type":"s"`, "/api/v1/activity-logs/export": `"action":"s"`} {
			q := "?search=" + url.QueryEscape(s.finds[0])
			if status, answer := p.ask(http.MethodGet, path+q, ""); status != 200 || strings.Count(answer, each) != n {
				t.Errorf("%q at %s: got %d %s, want %d entries", s.finds[0], path, status, answer, n)
			}
		}
	}
	for _, s := range searched {
		q := "?search=" + url.QueryEscape(s.finds[len(s.finds)-1])
		if status, answer := p.ask(http.MethodDelete, "/api/v1/activity-logs"+q, ""); status != 200 || !strings.Contains(answer, fmt.Sprintf(`"deletedCount":%d`, n)) {
			t.Errorf("erase %s: got %d %s, want %d", q, status, answer, n)
		}
	}
	p.until(t, "/api/v1/activity-logs/count?action=s", 200, `"count":0`)
}

// counts checks how many entries a search finds, as an endpoint says it.
func (p *process) counts(t *testing.T, path, search string, n int) {
	t.Helper()
	status, answer := p.ask(http.MethodGet, path+"?search="+url.QueryEscape(search), "")
	if status != 200 || !strings.Contains(answer, fmt.Sprintf(`"count":%d`, n)) && !strings.Contains(answer, fmt.Sprintf(`"total":%d`, n)) {
		t.Errorf("%q at %s: got %d %s, want %d", search, path, status, answer, n)
	}
}

// follow opens a stream of the entries that a search finds. The function that it returns waits until n entries have arrived.
func (p *process) follow(t *testing.T, search string) (brings func(n int)) {
	t.Helper()
	res, err := http.DefaultClient.Do(mustRequest(t, http.MethodGet, "http://"+p.addr+"/api/v1/activity-logs/stream?search="+url.QueryEscape(search), ""))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("stream: %v, %v", res, err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = res.Body.Close() })
	t.Cleanup(func() { late.Stop(); _ = res.Body.Close() })
	return func(n int) {
		t.Helper()
		got := 0
		for lines := bufio.NewScanner(res.Body); got < n && lines.Scan(); {
			if lines.Text() == "event: entry" {
				got++
			}
		}
		if got != n {
			t.Errorf("the stream of %q has brought %d entries, want %d", search, got, n)
		}
	}
}
