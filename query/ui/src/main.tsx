import { render } from 'preact'
import { Explorer } from './explorer'
import './style.css'
import { App } from './view/app'

const x = new Explorer()
x.start()
render(<App x={x} />, document.getElementById('app')!)
