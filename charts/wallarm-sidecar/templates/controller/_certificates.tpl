{{/* Arguments that tell the injector where its certificate comes from. */}}
{{- define "wallarm.certificateArgs" -}}
- --tls-cert-file=/etc/controller/tls/tls.crt
- --tls-key-file=/etc/controller/tls/tls.key
{{- end -}}
