package main

// noticeRules are there from the start.
const noticeRules = `rules:
  - name: on hold
    on: chat_held
    service: demo
    do:
      - send: One moment please, {{ customer.first_name ?? "there" }}.

  - name: back again
    on: chat_resumed
    service: demo
    do:
      - send: Thank you for waiting.

  - name: chat ended
    on: chat_closed
    service: demo
    when: event.status == "closed" and chat.messages.agent > 0
    do:
      - tag: served
      - send: The chat has ended. Come back any time.
`

// hoursRule is saved while the gateway runs.
const hoursRule = `rules:
  - name: opening hours
    on: customer_message
    service: demo
    when: (event.text ?? "") contains "open"
    do:
      - tag: hours
      - send: We are open from 9 to 17.
`

// brokenRule names an event that there is not.
const brokenRule = `rules:
  - name: opening hours
    on: customer_mesage
    service: demo
    do:
      - send: This is never sent.
`
